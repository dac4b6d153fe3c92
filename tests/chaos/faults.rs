//! Two orchestrators and two of each participant, on servers of their own: all are killed and
//! stopped, and the roads between them broken, while orders flow.

use std::time::Instant;

use anyhow::{Context, Result, bail};
use lab::{Broker, DatabaseServer};
use saga_tests::{
    ChaosSettings, Ending, Load, Placed, Report, Stage, World, check, check_promised, plan,
    publish, say,
};

use crate::drained;

#[tokio::test]
async fn nothing_is_lost_and_nothing_done_twice_whoever_is_killed() -> Result<()> {
    let settings = ChaosSettings::from_env()?;
    say(&format!("{settings:?}"));
    let mut broker = Broker::shared().await?;
    let mut database = DatabaseServer::shared().await?;
    let builder = World::builder().on_broker(&broker)?.on_database(&database)?;
    let builder = builder.orchestrators(2).replicas(2).through_proxies();
    let mut world = builder.start().await?;

    let load = Load::held(world.system.urls(), settings.orders, settings.in_flight);
    let plan = plan(&settings, &world.system.everybody());
    let (broker, database) = (&mut *broker, &mut *database);
    let mut stage = Stage { world: &mut world, broker, database };
    let began = Instant::now();
    let run = tokio::try_join!(load.run(), stage.play(plan, &load));
    let took = began.elapsed();
    let (placed, done) = run.with_context(|| format!("the seed was {}", settings.seed))?;

    // A copy that comes after the end is the one that could do something twice.
    drained(&world).await?;
    world.system.stop();
    let promised = load.promised();
    let mut violations: Vec<String> = placed.iter().filter_map(untruthful).collect();
    let kept = check_promised(&world.db, &promised).await;
    violations.extend(kept.err().map(|error| format!("{error:#}")));
    match check(&world.db).await {
        Ok(ends) => {
            let sagas = ends.values().sum::<i64>();
            if usize::try_from(sagas)? != placed.len() {
                violations.push(format!("{sagas} sagas are there for {} orders", placed.len()));
            }
        }
        Err(error) => violations.push(format!("{error:#}")),
    }
    let promised = promised.len();
    let (done, violations) = (&done[..], &violations[..]);
    let report = Report { settings: &settings, done, placed: &placed, promised, violations, took };
    publish(&settings, &report.markdown())?;
    if !violations.is_empty() {
        bail!("with seed {}:\n{}", settings.seed, violations.join("\n"));
    }
    assert_eq!(report.late(), 0, "not ended a minute after the last fault");
    assert_eq!((placed.len(), promised), (settings.orders, settings.orders));
    assert_eq!(done.len(), settings.faults());
    Ok(())
}

/// What an order says of itself that has not ended as it may.
fn untruthful(order: &Placed) -> Option<String> {
    let is_wrong = Ending::of(order) == Ending::Otherwise;
    is_wrong.then(|| format!("{} should be {}: {:#}", order.key, order.expected, order.saga))
}
