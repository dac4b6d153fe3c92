//! The only orchestrator stands still for longer than attempts last, with their answers waiting.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lab::wait;
use saga_tests::{ChaosSettings, Times, World, check, order, publish, section, step_of};

/// For what happens within seconds unless something is broken.
const SOON: Duration = Duration::from_secs(120);
/// Orders that wait meanwhile.
const WAITING: usize = 80;

#[tokio::test]
async fn whoever_was_stopped_takes_replies_in_before_timers() -> Result<()> {
    let settings = ChaosSettings::from_env()?;
    let world = World::start().await?;
    let orchestrator = &world.system.orchestrator;
    world.system.payment.stop()?;
    let mut ids = Vec::new();
    for number in 0..WAITING {
        ids.push(world.begin("/sleepy", &order(&format!("sleepy-{number}"))).await?);
    }
    orchestrator.stop()?;
    let stopped = Instant::now();
    world.system.payment.cont()?;
    let charged = async || {
        let count = world.count("select count(*) from payment.charge").await.ok()?;
        (usize::try_from(count) == Ok(WAITING)).then_some(())
    };
    wait::until("all to be charged", SOON, charged).await?;
    let slept = async || (stopped.elapsed() >= settings.asleep).then_some(());
    wait::until("all attempts to be over", SOON, slept).await?;
    orchestrator.cont()?;

    let awake = Instant::now();
    let mut times = Vec::new();
    for id in &ids {
        let saga = world.until(id, "its end", |saga| saga["finished_at"].is_string()).await?;
        times.push(awake.elapsed());
        ensure!(saga["status"] == "completed", "it was answered: {saga:#}");
        let payment = step_of(&saga, "payment");
        ensure!(payment["attempts"] == 1, "no attempt is lost that was answered: {saga:#}");
    }
    let log = fs::read_to_string(orchestrator.process().log())?;
    ensure!(log.contains("this process was stopped"), "it did not notice that it was stopped");
    check(&world.db).await?;
    let about = format!(
        "The only orchestrator stood still for {} s; {WAITING} answers waited for it, to attempts \
         that were over meanwhile. All sagas completed, and no attempt was made a second time.",
        settings.asleep.as_secs()
    );
    let times: Times = times.into_iter().collect();
    publish(&settings, &section("The only orchestrator is stopped", &about, "to an end", &times))
}
