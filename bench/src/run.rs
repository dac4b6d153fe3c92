//! A run: private servers, the product anew for each level, and the broker alone.

use anyhow::Result;
use lab::{Given, Lab, Servers, System, SystemSettings};

use crate::{
    cli::output,
    cost, load,
    order::STEPS,
    product, raw,
    report::{Level, Report},
};

/// What is to be measured.
pub(crate) struct Plan {
    /// Orders placed at each level.
    pub(crate) sagas: u32,
    /// Orders in flight.
    pub(crate) in_flight: Vec<u32>,
}

/// Orders placed before anything is measured: connections are made and caches filled.
const WARM_UP: u32 = 64;
/// What is measured: the product's processes, as packages of cargo.
const PACKAGES: [&str; 4] = ["saga-server", "payment", "inventory", "shipping"];

/// Measures.
///
/// # Errors
/// When servers or product do not start, or an order does not complete.
pub(crate) async fn run(plan: &Plan) -> Result<Report> {
    let release = product::build(&PACKAGES)?;
    let servers = Servers::start(&Given::from_env(), &output::progress).await?;
    let lab = servers.lab();
    let mut levels = Vec::new();
    for in_flight in &plan.in_flight {
        levels.push(level(lab, plan.sagas, *in_flight).await?);
    }
    let raw = raw::measure(lab).await?;
    servers.finish().await?;
    Ok(report(plan.sagas, release, levels, raw))
}

fn report(sagas: u32, release: bool, levels: Vec<Level>, raw: Vec<crate::report::Raw>) -> Report {
    let messages_per_saga_min = 2 * STEPS;
    let sagas_per_s = levels.iter().map(|level| level.sagas_per_s).fold(0.0, f64::max);
    let raw_messages_per_s = raw.iter().map(|raw| raw.confirmed_per_s).fold(0.0, f64::max);
    Report {
        sagas_per_s,
        raw_messages_per_s,
        ratio_to_limit: sagas_per_s * f64::from(messages_per_saga_min) / raw_messages_per_s,
        sagas,
        steps: STEPS,
        messages_per_saga_min,
        release,
        levels,
        raw,
    }
}

async fn level(lab: &Lab, sagas: u32, in_flight: u32) -> Result<Level> {
    output::progress(&format!("{sagas} orders, {in_flight} in flight"));
    let (vhost, ours, theirs) = tokio::try_join!(lab.vhost(), lab.database(), lab.database())?;
    let mut settings = SystemSettings::new(&vhost.url, &ours.url, &lab.logs());
    // A database for the participants, so that their commits can be told from the orchestrator's.
    settings.participants = settings.participants.map(|(name, _)| (name, theirs.url.clone()));
    let system = System::start(settings).await?;
    load::place(&system.url, 0..WARM_UP, in_flight).await?;

    let before = cost::messages(lab).await;
    let loaded = load::place(&system.url, WARM_UP..WARM_UP + sagas, in_flight).await?;
    let messages = cost::messages(lab).await.zip(before).map(|(after, before)| after - before);
    system.stop();
    drop(system);
    let mut commits = [0.0; 2];
    for (commits, database) in commits.iter_mut().zip([&ours, &theirs]) {
        cost::everybody_gone(lab, &database.name).await?;
        *commits = per(cost::commits(lab, &database.name).await?, WARM_UP + sagas);
    }
    let [orchestrator_commits_per_saga, participant_commits_per_saga] = commits;
    Ok(Level {
        in_flight,
        sagas_per_s: f64::from(sagas) / loaded.elapsed.as_secs_f64(),
        p50_ms: loaded.percentile_ms(50),
        p99_ms: loaded.percentile_ms(99),
        messages_per_saga: messages.map(|messages| per(messages, sagas)),
        commits_per_saga: orchestrator_commits_per_saga + participant_commits_per_saga,
        orchestrator_commits_per_saga,
        participant_commits_per_saga,
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn per(count: u64, sagas: u32) -> f64 {
    count as f64 / f64::from(sagas)
}
