//! Whole runs: private servers, the levels one after the other, and the broker alone.

use anyhow::{Context, Result};
use lab::{Given, Servers};

use crate::{
    cli::output,
    figures::ratio_to_limit,
    floor,
    level::{self, Plan},
    order::MESSAGES_MIN,
    product, raw,
    report::{Floor, Level, Raw, Report, Scale, Setup},
};

/// What is measured: the product's processes, as packages of cargo.
pub(crate) const PACKAGES: [&str; 4] = ["saga-server", "payment", "inventory", "shipping"];
/// Orchestrators that are measured beside each other.
const ORCHESTRATORS: [usize; 3] = [1, 2, 3];

/// Measures levels of orders in flight, and the broker alone before and after them.
///
/// # Errors
/// When servers or product do not start, or an order does not end as it should.
pub(crate) async fn run(plan: Plan, in_flight: &[u32]) -> Result<Report> {
    let release = product::build(&PACKAGES)?;
    let servers = Servers::start(&Given::from_env(), &output::progress).await?;
    let lab = servers.lab();
    let floor = floor::measure(lab, plan.engine_only).await?;
    let mut raw = raw::measure(lab, "before").await?;
    let mut levels = Vec::new();
    for in_flight in in_flight {
        levels.push(level::measure(lab, Plan { in_flight: *in_flight, ..plan }).await?);
    }
    raw.extend(raw::measure(lab, "after").await?);
    servers.finish().await?;
    report(setup(plan, release), &floor, levels, raw)
}

/// Measures one level with one orchestrator, with two and with three.
///
/// # Errors
/// When servers or product do not start, or an order does not end as it should.
pub(crate) async fn scale(plan: Plan) -> Result<Scale> {
    let release = product::build(&PACKAGES)?;
    let servers = Servers::start(&Given::from_env(), &output::progress).await?;
    let mut levels = Vec::new();
    for orchestrators in ORCHESTRATORS {
        levels.push(level::measure(servers.lab(), Plan { orchestrators, ..plan }).await?);
    }
    servers.finish().await?;
    Ok(Scale { setup: setup(plan, release), levels })
}

/// What was measured, for the report.
pub(crate) fn setup(plan: Plan, release: bool) -> Setup {
    Setup {
        sagas: plan.sagas,
        fail_percent: plan.fail_percent,
        kill_every_s: plan.kill_every.map(|every| every.as_secs()),
        engine_only: plan.engine_only,
        release,
        processors: std::thread::available_parallelism().map_or(0, usize::from),
    }
}

fn report(setup: Setup, floor: &Floor, levels: Vec<Level>, raw: Vec<Raw>) -> Result<Report> {
    let highest = levels.iter().max_by_key(|level| level.in_flight);
    let highest = highest.context("there is a level")?.clone();
    let raw_messages_per_s = raw.iter().map(Raw::carried_per_s).fold(0.0, f64::max);
    let alone = levels.iter().find(|level| level.in_flight == 1);
    Ok(Report {
        raw_messages_per_s,
        ratio_to_limit: ratio_to_limit(highest.sagas_per_s, MESSAGES_MIN, raw_messages_per_s),
        messages_per_saga_min: MESSAGES_MIN,
        floor: Floor { saga_p50_ms: alone.map(|level| level.p50_ms), ..floor.clone() },
        highest,
        setup,
        levels,
        raw,
    })
}
