//! The broker has room for nothing more: its disk is full to the last byte, or its user has as many
//! connections or channels as it may.

use std::fs;

use anyhow::Result;
use lab::{Broker, wait};
use saga_tests::{Load, World, check, check_promised, order};

use crate::support::{SOON, accepted, times_said, unready};

/// Orders in flight while the disk is full.
const ORDERS: usize = 60;

#[tokio::test]
async fn a_limit_on_connections_or_channels_is_told_and_work_goes_on_once_it_is_lifted()
-> Result<()> {
    let broker = Broker::shared().await?;
    let world = World::builder().on_broker(&broker)?.start().await?;
    for limited in ["max-connections", "max-channels"] {
        broker.limit_user(limited, 1).await?;
        world.queues.close_connections().await?;
        let said = unready(&world, &["NOT_ALLOWED", "limit"]).await?;
        assert!(said.contains("rabbitmqctl clear_user_limits guest all"), "{said}");
        let id = accepted(&world, "/orders", &order(limited)).await?;
        let logged = times_said(&world.system.orchestrator, "clear_user_limits")?;
        assert!((1..=4).contains(&logged), "{logged} lines");
        broker.unlimit_user().await?;
        world.system.ready().await?;
        world.until_status(&id, "completed").await?;
    }
    check(&world.db).await.map(|_| ())
}

#[tokio::test]
async fn a_full_disk_costs_nothing_once_there_is_room() -> Result<()> {
    let Some(mut broker) = Broker::start_on_small_disk().await? else { return Ok(()) };
    let world = World::builder().on_broker(&broker)?.start().await?;
    broker.sync().await?;
    let load = Load::new(&world.system.url, ORDERS);
    let faults = async {
        let ended = async || (load.ended() >= ORDERS / 4).then_some(());
        wait::until("some orders to end", SOON, ended).await?;
        broker.fill_disk().await?;
        // The broker cannot write down what comes now; the orders are taken all the same.
        let mut ids = Vec::new();
        for number in 0..10 {
            ids.push(accepted(&world, "/orders", &order(&format!("full-{number}"))).await?);
        }
        let log = broker.process().log();
        let hurt = async || fs::read_to_string(log).ok()?.contains("enospc").then_some(());
        wait::until("the broker to find no room", SOON, hurt).await?;
        broker.free_disk()?;
        // What it is after that is not for us to know: an operator starts it anew.
        broker.restart().await?;
        world.system.ready().await?;
        Ok(ids)
    };
    let (placed, ids) = tokio::try_join!(load.run(), faults)?;
    for order in &placed {
        assert_eq!(order.saga["status"], order.expected, "{order:?}");
    }
    for id in ids {
        world.until_status(&id, "completed").await?;
    }
    check_promised(&world.db, &load.promised()).await?;
    check(&world.db).await.map(|_| ())
}
