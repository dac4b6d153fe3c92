//! A whole broker dies, stands still, is out of reach, or short of memory or disk.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lab::{Broker, Direction, Who, wait};
use saga_tests::{Load, World, check, check_promised, order, step_of};

use crate::support::{SOON, accepted, ended, unready, vhost};

/// Enough to be under way whenever the broker fails.
const ORDERS: usize = 120;
/// Longer than any heartbeat.
const STOPPED: Duration = Duration::from_secs(30);
/// Twice a heartbeat, and what a busy machine adds.
const NOTICED_MAX: Duration = Duration::from_secs(40);
const REPLIES: &str = "saga.replies";

#[tokio::test]
async fn killed_under_load_it_comes_back_with_everything() -> Result<()> {
    let mut broker = Broker::shared().await?;
    let world = World::builder().on_broker(&broker)?.replicas(2).start().await?;
    // Who made the queues is not what this is about: see `Broker::sync`.
    broker.sync().await?;
    let all = async || {
        let all = consumers(&broker, &world).await.ok()?;
        let of = |queue: &str| all.get(queue).copied().unwrap_or_default();
        let of_commands = |who: &&str| of(&format!("saga.commands.{who}")) == 2;
        let are_all = ["payment", "inventory", "shipping"].iter().all(of_commands);
        (are_all && of(REPLIES) > 0 && of("saga.dead") > 0).then_some(all)
    };
    let before = wait::until("everybody to consume", SOON, all).await?;
    let load = Load::new(&world.system.url, ORDERS);
    let faults = async {
        for part in 1..=2 {
            let ended = async || (load.ended() >= ORDERS * part / 4).then_some(());
            wait::until("some orders to end", SOON, ended).await?;
            broker.kill9();
            broker.restart().await?;
        }
        Ok(())
    };
    let (placed, ()) = tokio::try_join!(load.run(), faults)?;
    for order in &placed {
        assert_eq!(order.saga["status"], order.expected, "{order:?}");
    }
    let restored = async || (consumers(&broker, &world).await.ok()? == before).then_some(());
    wait::until("all consumers to be back", SOON, restored).await?;
    check_promised(&world.db, &load.promised()).await?;
    check(&world.db).await.map(|_| ())
}

#[tokio::test]
async fn what_is_due_while_it_is_away_costs_no_attempt() -> Result<()> {
    let mut broker = Broker::shared().await?;
    let world = World::builder().on_broker(&broker)?.start().await?;
    broker.sync().await?;
    world.system.inventory.stop()?;
    let id = world.begin("/hasty", &order("o-1")).await?;
    world.until_step(&id, "inventory", "running").await?;
    broker.kill9();
    world.system.inventory.cont()?;
    unready(&world, &[]).await?;
    let before = world.saga(&id).await?;
    // Six times what this step waits for an answer, and all its attempts.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let after = world.saga(&id).await?;
    assert_eq!((&after["version"], &after["steps"]), (&before["version"], &before["steps"]));
    broker.restart().await?;
    world.system.ready().await?;
    ended(&world, &id).await?;
    check(&world.db).await.map(|_| ())
}

#[tokio::test]
async fn nothing_hangs_while_it_stands_still_or_is_out_of_reach_of_one() -> Result<()> {
    let broker = Broker::shared().await?;
    let builder = World::builder().on_broker(&broker)?.orchestrators(2).through_proxies();
    let world = builder.start().await?;
    let first = Who::Orchestrator(0);
    let load = Load::over(world.system.urls(), ORDERS);
    let faults = async {
        let ended = async |quarters: usize| {
            let ended = async || (load.ended() >= ORDERS * quarters / 4).then_some(());
            wait::until("some orders to end", SOON, ended).await
        };
        ended(1).await?;
        let road = &world.roads_of(first)?.broker;
        road.black_hole(Direction::Both);
        // The other goes on alone.
        ended(2).await?;
        broker.stop()?;
        let began = Instant::now();
        accepted(&world, "/orders", &order("o-still")).await?;
        let noticed = async || {
            let [a, b] = [first, Who::Orchestrator(1)].map(|who| world.system.member(who));
            let is_down = !a?.is_ready().await && !b?.is_ready().await;
            is_down.then(|| began.elapsed())
        };
        let noticed = wait::until("both to notice", SOON, noticed).await?;
        ensure!(noticed < NOTICED_MAX, "noticed only after {noticed:?}");
        tokio::time::sleep(STOPPED.saturating_sub(began.elapsed())).await;
        broker.cont()?;
        road.heal()?;
        world.system.ready().await
    };
    let (placed, ()) = tokio::try_join!(load.run(), faults)?;
    for order in &placed {
        assert_eq!(order.saga["status"], order.expected, "{order:?}");
    }
    assert_eq!(world.get("/orders/o-still").await?.body["key"], "o-still");
    let running = "select count(*) from saga.saga where status = 'running'";
    let none = async || (world.count(running).await.ok()? == 0).then_some(());
    wait::until("every saga to end", SOON, none).await?;
    check_promised(&world.db, &load.promised()).await?;
    check(&world.db).await.map(|_| ())
}

#[tokio::test]
async fn short_of_memory_or_disk_it_takes_nothing_and_gives_everything() -> Result<()> {
    let broker = Broker::shared().await?;
    let world = World::builder().on_broker(&broker)?.start().await?;
    for alarm in ["memory", "disk"] {
        let raise = async |raised| match alarm {
            "memory" => broker.memory_alarm(raised).await,
            _ => broker.disk_alarm(raised).await,
        };
        // A reply that waits in its queue when the alarm is raised.
        world.system.payment.stop()?;
        let id = world.begin("/orders", &order(&format!("{alarm}-1"))).await?;
        world.until_step(&id, "payment", "running").await?;
        world.system.orchestrator.stop()?;
        world.system.payment.cont()?;
        let replied = async || (messages(&broker, &world).await.ok()? > 0).then_some(());
        wait::until("the reply", SOON, replied).await?;
        raise(true).await?;
        world.system.orchestrator.cont()?;
        world.until_step(&id, "payment", "completed").await?;
        let settled = async || (messages(&broker, &world).await.ok()? == 0).then_some(());
        wait::until("the reply to be acknowledged", SOON, settled).await?;
        ensure!(broker.is_alarmed().await?, "all of this under the alarm");
        unready(&world, &["takes no messages"]).await?;

        let mut ids = vec![id];
        for number in 2..8 {
            let order = order(&format!("{alarm}-{number}"));
            ids.push(accepted(&world, "/orders", &order).await?);
        }
        raise(false).await?;
        world.system.ready().await?;
        for id in ids {
            let saga = world.until_status(&id, "completed").await?;
            assert_ne!(step_of(&saga, "payment")["attempts"], 0);
        }
    }
    check(&world.db).await.map(|_| ())
}

/// How many consumers each queue of a world has.
async fn consumers(broker: &Broker, world: &World) -> Result<BTreeMap<String, u64>> {
    listed(broker, world, "consumers").await
}

/// How many replies wait or are not acknowledged.
async fn messages(broker: &Broker, world: &World) -> Result<u64> {
    Ok(listed(broker, world, "messages").await?.remove(REPLIES).unwrap_or_default())
}

async fn listed(broker: &Broker, world: &World, what: &str) -> Result<BTreeMap<String, u64>> {
    let list = ["-q", "list_queues", "-p", vhost(world), "--no-table-headers", "name", what];
    let mut all = BTreeMap::new();
    for line in broker.ctl(&list).await?.lines() {
        if let Some((name, count)) = line.split_once('\t') {
            // A count that is not known yet is none.
            all.insert(name.to_owned(), count.parse().unwrap_or_default());
        }
    }
    Ok(all)
}
