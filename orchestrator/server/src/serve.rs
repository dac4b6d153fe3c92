//! `saga serve`: the orchestrator on its adapters. It decides what begins when, and what ends when.
//!
//! The API listens before database and broker are there: `/healthz` says that the process lives,
//! `/readyz` what it waits for. Ending goes the other way round: first requests, then the loops,
//! then the connections.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::Duration,
};

use saga_engine::{Definitions, Engine, Random, definitions::LoadError};
use saga_runtime::{
    Shutdown,
    failpoint::{self, Point},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    adapters::{self, Adapters},
    cli::{Failure, Status},
    http, logs,
    reload::Reloads,
    settings,
};

/// Before definitions that could not be kept are tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The orchestrator, put together.
pub(crate) struct Orchestrator {
    adapters: Adapters,
    pub(crate) definitions: Arc<Definitions>,
    engine: Engine,
    reloads: Reloads,
}

/// Serves until told to end: once in order, twice at once.
pub(crate) async fn run(settings: settings::Serve) -> Result<Status, Failure> {
    logs::start(&settings.logs);
    settings.check()?;
    settings.arm();
    let shutdown = signals()?;
    let listener = listen(settings.listen).await?;
    let orchestrator = Orchestrator::open(Adapters::servers(&settings)?, &settings.defs)?;
    orchestrator.engine.refuse_beyond(settings.backlog_max);
    tracing::info!(
        listen = %settings.listen,
        broker = %settings.amqp_url,
        database = %settings.database.database_url,
        definitions = orchestrator.definitions.served().all().count(),
        "starting"
    );
    tokio::select! {
        biased;
        () = shutdown.now.cancelled() => Ok(Status::Done),
        ended = orchestrator.serve(listener, &shutdown.drain) => ended.map(|()| Status::Done),
    }
}

/// Listens to signals from now on.
pub(crate) fn signals() -> Result<Shutdown, Failure> {
    Shutdown::listen().map_err(|error| Failure::cannot(format!("cannot start: {error:#}")))
}

/// Takes the port before anything else happens, so that a mistake shows at once.
pub(crate) async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => "another program has this port: end it, or choose another",
            ErrorKind::PermissionDenied => "ports below 1024 are for the superuser: choose another",
            _ => "choose an address of this machine",
        };
        Failure::cannot(format!("cannot listen on `{address}`: {error}"))
            .hint(format!("{hint} with `--listen` or `SAGA_LISTEN`"))
    })?;
    if !address.ip().is_loopback() {
        tracing::warn!(
            listen = %address,
            "THERE IS NO AUTHENTICATION, and others than this machine can reach the API: whoever \
             does can start and cancel sagas; listen on 127.0.0.1, or let a proxy guard it"
        );
    }
    Ok(listener)
}

impl Orchestrator {
    /// Loads the definitions and puts an engine on the adapters, which need not be ready.
    pub(crate) fn open(adapters: Adapters, defs: &Path) -> Result<Self, Failure> {
        // Before anything is loaded, so that no change of files is missed.
        let reloads = Reloads::listen(defs)?;
        let definitions = Arc::new(Definitions::load(defs)?);
        let engine = Engine::new(
            Arc::clone(&adapters.store),
            Arc::clone(&adapters.bus),
            Arc::clone(&definitions),
            Arc::new(Random),
        );
        Ok(Self { adapters, definitions, engine, reloads })
    }

    /// Serves requests at once and drives sagas as soon as the database is ready, until `drain`.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        drain: &CancellationToken,
    ) -> Result<(), Failure> {
        let serving = tokio::spawn(http::serve(listener, self.engine.clone(), drain.clone()));
        let prepared = tokio::select! {
            biased;
            () = drain.cancelled() => None,
            prepared = self.prepare() => Some(prepared),
        };
        let ended = match prepared {
            Some(Ok(())) => drive(&self.engine, self.reloads, serving).await,
            Some(Err(failure)) => Err(failure),
            None => Ok(()),
        };
        self.adapters.close().await;
        tracing::info!("ended");
        ended
    }

    /// Waits for the database, and keeps in it what sagas will follow.
    async fn prepare(&self) -> Result<(), Failure> {
        loop {
            self.adapters.prepare().await?;
            failpoint::pass(Point::BootMigrated);
            match self.definitions.publish(&*self.adapters.store).await {
                Ok(()) => return Ok(()),
                Err(saga_store::Error::Permanent(reason)) => {
                    return Err(Failure::no(format!("cannot keep the definitions: {reason}")));
                }
                Err(error) => tracing::warn!(error = %error, "waiting for the database"),
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}

/// Drives sagas for as long as requests are served, and then lets the loops end.
async fn drive(
    engine: &Engine,
    reloads: Reloads,
    serving: JoinHandle<io::Result<()>>,
) -> Result<(), Failure> {
    tracing::info!("serving");
    let stop = CancellationToken::new();
    let requests = async {
        let served = serving.await;
        stop.cancel();
        served
    };
    match tokio::join!(engine.run(stop.clone()), reloads.run(engine, &stop), requests) {
        ((), (), Ok(Ok(()))) => Ok(()),
        ((), (), Ok(Err(error))) => Err(Failure::cannot(format!("cannot serve: {error}"))),
        ((), (), Err(error)) => Err(Failure::cannot(format!("the API ended: {error}"))),
    }
}

/// Brings the orchestrator's schema up to date.
pub(crate) async fn migrate(settings: &settings::Migrate) -> Result<Status, Failure> {
    logs::start(&settings.logs);
    settings.database.check()?;
    adapters::migrate(&settings.database).await?;
    tracing::info!(database = %settings.database.database_url, "the schema is up to date");
    Ok(Status::Done)
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Wrong(wrong) => Self::no("the definitions are wrong")
                .details(wrong.iter().map(ToString::to_string).collect())
                .hint("`saga check` checks them without starting anything"),
            error @ (LoadError::Unreadable { .. } | LoadError::Empty(_)) => {
                Self::no(error.to_string())
                    .hint("name the folder of the definitions with `--defs` or `SAGA_DEFS`")
            }
            error @ LoadError::Conflict(_) => Self::no(error.to_string()),
        }
    }
}
