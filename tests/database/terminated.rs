//! Processes are told to end while there is work, or while the broker takes nothing.

use std::time::Duration;

use anyhow::{Context, Result};
use lab::{Broker, End, Who, wait};
use saga_tests::{Load, World, check, check_promised, order};

use crate::support::{SOON, until_ended};

/// From the request to the end: ten seconds for what has begun, and goodbyes to both servers, with
/// room for a busy machine.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// Enough that there is work whenever somebody is told to end.
const ORDERS: usize = 240;
/// Everybody who is told to end.
const MEMBERS: [Who; 4] = [
    Who::Orchestrator(0),
    Who::Participant("payment", 0),
    Who::Participant("inventory", 0),
    Who::Participant("shipping", 0),
];

#[tokio::test]
async fn told_to_end_under_load_all_end_in_order() -> Result<()> {
    let mut world = World::start().await?;
    let load = Load::new(&world.system.url, ORDERS);
    let ends = async {
        for (number, who) in MEMBERS.into_iter().enumerate() {
            let moment = ORDERS * (number + 1) / (MEMBERS.len() + 2);
            let what = format!("{moment} orders to end");
            wait::until(&what, SOON, async || (load.ended() >= moment).then_some(())).await?;
            let member = world.system.member_mut(who).context("it was started")?;
            member.term()?;
            assert_eq!(member.end(ENDED_WITHIN).await?, End::ORDER, "{who}");
            member.restart()?;
        }
        Ok(())
    };
    let (placed, ()) = tokio::try_join!(load.run(), ends)?;
    for order in &placed {
        assert_eq!(order.saga["status"], order.expected, "{order:?}");
    }
    check_promised(&world.db, &load.promised()).await?;
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn told_to_end_all_do_though_the_broker_takes_nothing() -> Result<()> {
    let broker = Broker::shared().await?;
    let mut world = World::builder().on_broker(&broker)?.start().await?;
    assert_eq!(world.place("/orders", &order("before")).await?["status"], "completed");
    broker.memory_alarm(true).await?;
    let blocked = async || (!world.system.orchestrator.is_ready().await).then_some(());
    // The broker tells whoever publishes.
    let mut ids = vec![world.begin("/orders", &order("blocked-0")).await?];
    wait::until("the orchestrator to hear of it", SOON, blocked).await?;
    for number in 1..20 {
        ids.push(world.begin("/orders", &order(&format!("blocked-{number}"))).await?);
    }
    for who in MEMBERS {
        world.system.member(who).context("it was started")?.term()?;
    }
    for who in MEMBERS {
        let member = world.system.member(who).context("it was started")?;
        assert_eq!(member.end(ENDED_WITHIN).await?, End::ORDER, "{who}");
    }
    broker.memory_alarm(false).await?;
    for who in MEMBERS {
        world.system.member_mut(who).context("it was started")?.restart()?;
    }
    world.system.ready().await?;
    for id in &ids {
        world.until_status(id, "completed").await?;
    }
    until_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}
