//! `saga dev` alone: how soon it is ready, what memory it takes, how many orders it carries. It
//! needs no server.

use std::{
    fs,
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lab::{Binary, Folder, Member, free_port};

use crate::{
    cli::output,
    cost::{KIB_PER_MIB, status_kib},
    figures::{median_ms, per, rate},
    load::{self, Load, Loaded, Weather},
    product,
    report::{Dev, DevLevel},
};

/// Starts of which the one in the middle counts.
const STARTS: usize = 7;
/// Between two looks at whether it is ready: what is measured is not finer than this.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// A start that takes longer has failed.
const READY_MAX: Duration = Duration::from_secs(60);
/// Orders placed before anything is measured.
const WARM_UP: u32 = 64;
/// What is measured, as a package of cargo.
const PACKAGES: [&str; 1] = ["saga-server"];

/// Measures, with so many orders at each level of orders in flight.
///
/// # Errors
/// When it does not start, or an order does not complete.
pub(crate) async fn measure(sagas: u32, in_flight: &[u32]) -> Result<Dev> {
    let release = product::build(&PACKAGES)?;
    let folder = Folder::create()?;
    let mut first = Vec::new();
    let mut idle_mib = 0.0;
    for start in 0..STARTS {
        output::progress(&format!("start {} of {STARTS}", start + 1));
        let (member, took) = started(folder.path(), &format!("data-{start}")).await?;
        idle_mib = resident_mib(&member)?;
        first.push(took);
    }
    let (member, _) = started(folder.path(), "data").await?;
    let mut levels = Vec::new();
    place(&member, 0..WARM_UP, WARM_UP).await?;
    let mut placed = WARM_UP;
    for in_flight in in_flight {
        output::progress(&format!("{sagas} orders, {in_flight} in flight"));
        let loaded = place(&member, placed..placed + sagas, *in_flight).await?;
        placed += sagas;
        levels.push(DevLevel {
            in_flight: *in_flight,
            sagas_per_s: rate(sagas.into(), loaded.elapsed),
            p50_ms: loaded.percentile_ms(50),
            p99_ms: loaded.percentile_ms(99),
        });
    }
    let loaded_mib = resident_mib(&member)?;
    drop(member);
    let mut again = Vec::new();
    for _ in 0..STARTS {
        again.push(started(folder.path(), "data").await?.1);
    }
    Ok(Dev {
        ready_ms: median_ms(first),
        ready_again_ms: median_ms(again),
        idle_mib,
        loaded_mib,
        sagas_per_s: levels.iter().map(|level| level.sagas_per_s).fold(0.0, f64::max),
        sagas,
        release,
        levels,
    })
}

async fn place(member: &Member, numbers: Range<u32>, in_flight: u32) -> Result<Loaded> {
    let urls = vec![member.url()];
    load::place(Load { urls, numbers, in_flight, fail_percent: 0, weather: Weather::Fair }).await
}

/// Starts it on this folder of data; how long it took to be ready. It is killed when dropped.
async fn started(folder: &Path, data: &str) -> Result<(Member, Duration)> {
    let port = free_port()?;
    let binary = Binary::new("saga")
        .arg("dev")
        .env("SAGA_DATA", folder.join(data))
        .env("SAGA_DEFS", lab::workspace().join("saga-defs"))
        .env("SAGA_LISTEN", format!("127.0.0.1:{port}"))
        .log_in(folder);
    let began = Instant::now();
    let member = Member::start_at(binary, port)?;
    while !member.is_ready().await {
        let tail = || member.process().log_tail();
        ensure!(member.is_alive() && began.elapsed() < READY_MAX, "not ready: {}", tail());
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok((member, began.elapsed()))
}

/// The memory of a process that is in RAM now.
fn resident_mib(member: &Member) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", member.process().pid()))?;
    let kib = status_kib(&status, "VmRSS:").context("the kernel tells the resident memory")?;
    Ok(per(kib, KIB_PER_MIB))
}
