//! `saga dev`: the whole system in one process, with nothing to install: the orchestrator on a
//! file, the three participants on files of their own, and a broker that is an object, or a
//! RabbitMQ.
//!
//! Nothing here is another program than the one that runs in production: the same engine, the same
//! API, the same participants, on other adapters of the same ports.

use std::{net::SocketAddr, sync::Arc};

use saga_bus::{Bus, Role};
use saga_participant::{Participant, ParticipantName, Service};
use saga_runtime::Shutdown;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    adapters::{Adapters, Carrier},
    cli::{Failure, Status, output},
    data::Data,
    logs,
    serve::{self, Orchestrator},
    settings,
};

/// The orchestrator's file.
const STORE: &str = "saga";
/// Commands that a participant takes at once. They wait for one connection, as SQLite has one
/// writer; what is taken ahead hides the way through the broker.
const CONCURRENCY: u32 = 16;

/// A participant that is ready to serve.
struct Ready {
    name: ParticipantName,
    service: Arc<Service>,
    bus: Arc<dyn Bus>,
}

/// Runs everything until told to end: once in order, twice at once.
pub(crate) async fn run(settings: settings::Dev) -> Result<Status, Failure> {
    logs::start_quietly(&settings.logs);
    settings.check()?;
    let shutdown = serve::signals()?;
    let wanted = wanted(&settings.without)?;
    let listener = serve::listen(settings.listen).await?;
    let data = Data::take(&settings.data)?;
    if settings.reset {
        data.forget(STORE)?;
        all().iter().try_for_each(|one| data.forget(one.name().as_str()))?;
    }
    let whole = tokio::select! {
        biased;
        // Whoever has a file may keep it for long: nothing has begun that is to be finished.
        () = shutdown.drain.cancelled() => return Ok(Status::Done),
        whole = Whole::open(&settings, &data, wanted) => whole?,
    };
    let address = listener.local_addr().unwrap_or(settings.listen);
    greet(&settings, address, &whole);
    tokio::select! {
        biased;
        () = shutdown.now.cancelled() => Ok(Status::Done),
        ended = whole.serve(listener, &shutdown) => ended.map(|()| Status::Done),
    }
}

/// Everything, put together.
struct Whole {
    orchestrator: Orchestrator,
    participants: Vec<Ready>,
}

impl Whole {
    async fn open(
        settings: &settings::Dev,
        data: &Data,
        wanted: Vec<Participant>,
    ) -> Result<Self, Failure> {
        let carrier = Carrier::of(settings.amqp.clone());
        let adapters = Adapters::embedded(&data.file(STORE), &carrier).await?;
        let orchestrator = Orchestrator::open(adapters, &settings.defs)?;
        let mut participants = Vec::new();
        for participant in wanted {
            participants.push(connect(participant, data, &carrier).await?);
        }
        Ok(Self { orchestrator, participants })
    }

    async fn serve(self, listener: TcpListener, shutdown: &Shutdown) -> Result<(), Failure> {
        let mut participants = Participants::serve(self.participants, shutdown);
        let ended = tokio::select! {
            ended = self.orchestrator.serve(listener, &shutdown.drain) => ended,
            failure = participants.failed() => Err(failure),
        };
        participants.end().await;
        ended
    }
}

/// The participants that come with it.
fn all() -> [Participant; 3] {
    [payment::participant(), inventory::participant(), shipping::participant()]
}

/// All but those that are left out.
fn wanted(without: &[ParticipantName]) -> Result<Vec<Participant>, Failure> {
    let all = all();
    if let Some(unknown) = without.iter().find(|name| !all.iter().any(|one| one.name() == *name)) {
        let known: Vec<_> = all.iter().map(|one| format!("`{}`", one.name())).collect();
        return Err(Failure::cannot(format!("there is no participant `{unknown}` to leave out"))
            .hint(format!("`--without` takes {}", known.join(", "))));
    }
    Ok(all.into_iter().filter(|one| !without.contains(one.name())).collect())
}

async fn connect(
    participant: Participant,
    data: &Data,
    carrier: &Carrier,
) -> Result<Ready, Failure> {
    let name = participant.name().clone();
    let file = data.file(name.as_str());
    let service = participant.connect(&format!("sqlite:{}", file.display())).await;
    let service = service.map_err(|error| {
        Failure::no(format!("cannot use `{}`: {error:#}", file.display()))
            .hint("begin anew with `--reset`, which forgets everything, or name another `--data`")
    })?;
    let bus = carrier.connect(Role::Participant(name.clone()))?;
    Ok(Ready { name, service: Arc::new(service), bus })
}

/// The participants at work, each a task.
struct Participants {
    tasks: JoinSet<ParticipantName>,
    drain: CancellationToken,
}

impl Participants {
    /// They end after the orchestrator, which may still hear from them.
    fn serve(ready: Vec<Ready>, shutdown: &Shutdown) -> Self {
        let drain = CancellationToken::new();
        let mut tasks = JoinSet::new();
        for Ready { name, service, bus } in ready {
            let shutdown = Shutdown { drain: drain.clone(), now: shutdown.now.clone() };
            tasks.spawn(async move {
                saga_participant::serve(&bus, service, CONCURRENCY, &shutdown).await;
                bus.close().await;
                name
            });
        }
        Self { tasks, drain }
    }

    /// Why one of them ended that nobody told to.
    async fn failed(&mut self) -> Failure {
        match self.tasks.join_next().await {
            Some(Ok(name)) => Failure::no(format!("the participant `{name}` ended by itself")),
            Some(Err(error)) => Failure::no(format!("a participant ended: {error}")),
            None => std::future::pending().await,
        }
    }

    /// Lets them finish what they have begun.
    async fn end(mut self) {
        self.drain.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Says what runs, where, and what to try.
fn greet(settings: &settings::Dev, address: SocketAddr, whole: &Whole) {
    let served = whole.orchestrator.definitions.served();
    let definitions: Vec<_> = served.all().map(|one| one.name.to_string()).collect();
    let here: Vec<_> = whole.participants.iter().map(|one| one.name.to_string()).collect();
    let broker = match &settings.amqp {
        Some(url) => url.to_string(),
        None => "in this process".to_owned(),
    };
    output::say(&format!(
        "saga dev: everything in one process

  API           http://{address}
  definitions   {} (`{}`, loaded again when files change)
  participants  {}
  broker        {broker}
  data          `{}` (kept; `--reset` begins anew)
",
        definitions.join(", "),
        settings.defs.display(),
        if here.is_empty() { "none".to_owned() } else { here.join(", ") },
        settings.data.display(),
    ));
    let asked = served.all().flat_map(|definition| definition.participants());
    let mut missing: Vec<_> = asked
        .filter(|name| !here.contains(&name.to_string()))
        .map(|name| name.to_string())
        .collect();
    missing.sort();
    missing.dedup();
    if !missing.is_empty() {
        let way = match settings.amqp {
            Some(_) => "until it joins on that RabbitMQ, its commands wait",
            None => "with `--amqp URL` one of your own can join on a RabbitMQ",
        };
        output::warn(&format!("nobody here is `{}`: {way}", missing.join("`, `")));
    }
    if served.get("order").is_some() {
        output::say(&tries(address));
    }
}

/// Three commands to try.
fn tries(address: SocketAddr) -> String {
    let order = |id: &str, country: &str| {
        format!(
            r#"curl -i http://{address}/orders -H 'prefer: wait=10' \
    -H 'content-type: application/json' -d '{{
    "order_id": "{id}", "customer_id": "c-1", "items": [{{ "sku": "sku-1", "quantity": 2 }}],
    "total": 4200, "currency": "EUR", "address": {{ "country": "{country}" }} }}'"#
        )
    };
    let program = std::env::args().next().unwrap_or_else(|| "saga".to_owned());
    let url = match address.port() {
        8080 => String::new(),
        _ => format!(" --url http://{address}"),
    };
    format!(
        "Try, from another terminal: an order that completes, one that is compensated because \
         shipping refuses, and a view of what goes on.\n\n  {}\n\n  {}\n\n  {program} watch{url}\n",
        order("o-1", "DE"),
        order("o-2", "AQ"),
    )
}
