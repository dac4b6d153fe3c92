//! One level: the product anew on fresh servers' places, orders, and what they cost.

use std::time::Duration;

use anyhow::{Context, Result};
use lab::{Binary, Database, Lab, System, SystemSettings, Who};

use crate::{
    cli::output,
    cost::{self, Log, Meter, Root, Rows},
    figures::{per, rate},
    load::{self, Load, Loaded, Weather},
    report::{Level, PerSaga, Process},
};

/// Orders placed before anything is measured: connections are made and caches filled.
pub(crate) const WARM_UP: u32 = 64;

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Orders to place.
    pub(crate) sagas: u32,
    pub(crate) in_flight: u32,
    /// Orders of a hundred that the last step refuses.
    pub(crate) fail_percent: u32,
    /// How often a process is killed, if ever.
    pub(crate) kill_every: Option<Duration>,
    /// Whether stand-ins play the participants.
    pub(crate) engine_only: bool,
    pub(crate) orchestrators: usize,
}

/// Where a level's data is.
struct Places {
    orchestrator: Database,
    participants: Database,
}

/// What was counted in both places.
struct Counted {
    orchestrator: Rows,
    participants: Rows,
}

/// What orders took, from the first to the last.
struct Measured {
    loaded: Loaded,
    killed: u32,
    messages: Option<u64>,
    processes: Vec<Process>,
}

/// Measures one level.
///
/// # Errors
/// When the product does not start, or an order does not end as it should.
pub(crate) async fn measure(lab: &Lab, plan: Plan) -> Result<Level> {
    let Plan { sagas, in_flight, orchestrators, .. } = plan;
    output::progress(&format!(
        "{sagas} orders, {in_flight} in flight, {orchestrators} orchestrator(s)"
    ));
    let vhost = lab.vhost().await?;
    let (orchestrator, participants) = tokio::try_join!(lab.database(), lab.database())?;
    let places = Places { orchestrator, participants };
    let settings = settings(lab, &vhost.url, &places, plan)?;
    // Once to make tables and queues, which no saga costs; then again to be measured.
    let system = System::start(settings.clone()).await?;
    load::place(plan.load(&system, 0..WARM_UP)).await?;
    stop(system);
    let before = places.counted(lab).await?;
    let log = Log::watch(lab).await;

    let mut system = System::start(settings).await?;
    load::place(Load { weather: Weather::Fair, ..plan.load(&system, WARM_UP..2 * WARM_UP) })
        .await?;
    let measured = place(lab, &mut system, plan).await?;
    stop(system);
    let after = places.counted(lab).await?;
    let wal = match log {
        Some(log) => Some(log.bytes(lab).await?),
        None => None,
    };
    lab.rabbitmqctl(&["delete_vhost", &vhost.name]).await?;

    // Whatever was counted since the second start, warm-up included, is shared by all its sagas.
    let of = u64::from(WARM_UP + sagas);
    let shared = |rows: Rows, database: &Database| {
        let wal = wal.as_ref().map(|bytes| per(cost::bytes_of(bytes, database), of));
        per_saga(rows, of, wal)
    };
    let orchestrator = shared(after.orchestrator - before.orchestrator, &places.orchestrator);
    let participants = shared(after.participants - before.participants, &places.participants);
    Ok(level(plan, measured, orchestrator, participants))
}

fn level(plan: Plan, measured: Measured, orchestrator: PerSaga, participants: PerSaga) -> Level {
    let Measured { loaded, killed, messages, processes } = measured;
    let participants = (!plan.engine_only).then_some(participants);
    let theirs = participants.as_ref().map_or(0.0, |cost| cost.commits);
    Level {
        in_flight: plan.in_flight,
        orchestrators: plan.orchestrators,
        sagas_per_s: rate(plan.sagas.into(), loaded.elapsed),
        messages_per_s: messages.map(|messages| rate(messages, loaded.elapsed)),
        p50_ms: loaded.percentile_ms(50),
        p90_ms: loaded.percentile_ms(90),
        p99_ms: loaded.percentile_ms(99),
        ends: loaded.ends,
        killed,
        retries: loaded.retries,
        messages_per_saga: messages.map(|messages| per(messages, plan.sagas.into())),
        commits_per_saga: orchestrator.commits + theirs,
        orchestrator,
        participants,
        processes,
    }
}

fn per_saga(rows: Rows, of: u64, wal_bytes: Option<f64>) -> PerSaga {
    PerSaga {
        commits: per(rows.commits, of),
        rows_written: per(rows.written(), of),
        rows_inserted: per(rows.inserted, of),
        rows_updated: per(rows.updated, of),
        rows_deleted: per(rows.deleted, of),
        saga_updates_hot: (rows.saga_updated > 0)
            .then(|| per(rows.saga_updated_hot, rows.saga_updated)),
        wal_bytes,
    }
}

/// The product, with a database for the participants, so that what they cost can be told apart.
fn settings(lab: &Lab, amqp_url: &str, places: &Places, plan: Plan) -> Result<SystemSettings> {
    let mut settings = SystemSettings::new(amqp_url, &places.orchestrator.url, &lab.logs());
    let theirs = &places.participants.url;
    settings.participants = settings.participants.map(|(name, _)| (name, theirs.clone()));
    settings.orchestrators = plan.orchestrators;
    if plan.engine_only {
        let us = std::env::current_exe().context("cannot tell where the running program is")?;
        let us = us.file_name().context("a program has a name")?.to_string_lossy().into_owned();
        settings.stand_in = Some(Binary::new(&us).args(["stand-in", "--amqp-url", amqp_url]));
    }
    Ok(settings)
}

fn stop(system: System) {
    system.stop();
    drop(system);
}

impl Plan {
    fn load(self, system: &System, numbers: std::ops::Range<u32>) -> Load {
        Load {
            urls: system.urls(),
            numbers,
            in_flight: self.in_flight,
            fail_percent: self.fail_percent,
            weather: if self.kill_every.is_some() { Weather::Foul } else { Weather::Fair },
        }
    }
}

impl Places {
    async fn counted(&self, lab: &Lab) -> Result<Counted> {
        Ok(Counted {
            orchestrator: cost::rows(lab, &self.orchestrator).await?,
            participants: cost::rows(lab, &self.participants).await?,
        })
    }
}

/// Places the orders that are measured.
async fn place(lab: &Lab, system: &mut System, plan: Plan) -> Result<Measured> {
    let numbers = 2 * WARM_UP..2 * WARM_UP + plan.sagas;
    let before = cost::messages(lab).await;
    let mut meter = Meter::start(roots(lab, system));
    let mut load = tokio::spawn(load::place(plan.load(system, numbers)));
    let mut killed = 0;
    let loaded = loop {
        tokio::select! {
            loaded = &mut load => break loaded??,
            () = until_next_kill(plan.kill_every) => {
                kill_one(system, &mut meter, plan.engine_only)?;
                killed += 1;
            }
        }
    };
    let processes = meter.finish(plan.sagas);
    let messages = cost::messages(lab).await.zip(before);
    let messages = messages.map(|(after, before)| after.saturating_sub(before));
    Ok(Measured { loaded, killed, messages, processes })
}

async fn until_next_kill(every: Option<Duration>) {
    match every {
        Some(every) => tokio::time::sleep(every).await,
        None => std::future::pending().await,
    }
}

/// Kills a process of the product as a power cut would, and starts it again.
fn kill_one(system: &mut System, meter: &mut Meter, engine_only: bool) -> Result<()> {
    let is_ours = |who: &Who| !engine_only || matches!(who, Who::Orchestrator(_));
    let all: Vec<_> = system.everybody().into_iter().filter(is_ours).collect();
    let chosen = rand::random_range(0..all.len());
    let who = all[chosen];
    let member = system.member_mut(who).context("everybody is there")?;
    let dead = member.process().pid();
    meter.dies(dead);
    member.restart()?;
    meter.is_replaced(dead, member.process().pid());
    output::progress(&format!("killed {who}, and started it again"));
    Ok(())
}

/// Everything that works for an order.
fn roots(lab: &Lab, system: &System) -> Vec<Root> {
    let members = system.everybody().into_iter().filter_map(|who| {
        let pid = system.member(who)?.process().pid();
        let name = match who {
            Who::Orchestrator(number) => format!("orchestrator {number}"),
            Who::Participant(name, _) if system.settings.stand_in.is_some() => {
                format!("stand-in for {name}")
            }
            Who::Participant(name, _) => name.to_owned(),
        };
        Some(Root { name, pid, with_children: false })
    });
    let servers = [("broker", lab.broker_pid()), ("Postgres", lab.database_pid())];
    let servers = servers.into_iter().filter_map(|(name, pid)| {
        Some(Root { name: name.to_owned(), pid: pid?, with_children: true })
    });
    let name = "load generator".to_owned();
    let us = Root { name, pid: std::process::id(), with_children: false };
    members.chain(servers).chain([us]).collect()
}
