//! How fast sagas move on after the only orchestrator was killed, and that they do when all queues
//! are gone. The times are for the report; nothing is asserted of them.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::wait;
use saga_tests::{ChaosSettings, Load, Times, World, check, check_promised, publish, section};
use uuid::Uuid;

use crate::drained;

/// For what happens within seconds unless something is broken.
const SOON: Duration = Duration::from_secs(120);
/// Orders for each restart: those in flight when it comes, and some before and after.
const ORDERS_PER_RESTART: usize = 200;
/// Sagas in flight when the queues are deleted.
const SAGAS: usize = 500;

#[tokio::test]
async fn sagas_move_on_after_the_only_orchestrator_was_killed() -> Result<()> {
    let settings = ChaosSettings::from_env()?;
    let mut world = World::start().await?;
    let orders = settings.restarts * ORDERS_PER_RESTART;
    let load = Load::held(vec![world.system.url.clone()], orders, settings.in_flight);
    let restarts = async {
        let mut times = Vec::new();
        for restart in 0..settings.restarts {
            let begin = restart * ORDERS_PER_RESTART;
            load.admit(begin + ORDERS_PER_RESTART);
            let flowing = async || (load.ended() >= begin + settings.in_flight).then_some(());
            wait::until("orders to flow", SOON, flowing).await?;
            world.system.orchestrator.kill9();
            let open = "select id from saga.saga where finished_at is null";
            let open: Vec<Uuid> = sqlx::query_scalar(open).fetch_all(&world.db).await?;
            ensure!(!open.is_empty(), "nothing was in flight");
            let last = sqlx::query_scalar("select clock_timestamp()::text");
            let killed: String = last.fetch_one(&world.db).await?;
            world.system.orchestrator.restart()?;
            let all = async || (load.ended() >= begin + ORDERS_PER_RESTART).then_some(());
            wait::until("all orders to end", SOON, all).await?;
            times.extend(moved_on(&world, &open, &killed).await?);
        }
        Ok(times)
    };
    let (placed, times) = tokio::try_join!(load.run(), restarts)?;
    let times: Times = times.into_iter().collect();

    for order in &placed {
        assert_eq!(order.saga["status"], order.expected, "{order:?}");
    }
    drained(&world).await?;
    world.system.stop();
    check_promised(&world.db, &load.promised()).await?;
    check(&world.db).await?;
    let about = format!(
        "The only orchestrator was killed and started again at once, {} times, with up to {} sagas \
         in flight; each time they all ended.",
        settings.restarts, settings.in_flight
    );
    let what = "from its start to a saga's next transition";
    publish(&settings, &section("The only orchestrator is killed", &about, what, &times))
}

/// From then to the next transition of each saga. One has none if it had ended: Postgres may commit
/// what somebody asked for who is dead when it is done.
async fn moved_on(world: &World, sagas: &[Uuid], then: &str) -> Result<Vec<Duration>> {
    let sql = "select extract(epoch from min(at) - $2::text::timestamptz)::float8
        from saga.journal where saga_id = any($1) and at > $2::text::timestamptz
        group by saga_id";
    let times: Vec<f64> =
        sqlx::query_scalar(sql).bind(sagas).bind(then).fetch_all(&world.db).await?;
    ensure!(!times.is_empty(), "none of {} sagas moved on", sagas.len());
    Ok(times.into_iter().map(Duration::from_secs_f64).collect())
}

#[tokio::test]
async fn all_sagas_end_truthfully_after_all_queues_were_deleted() -> Result<()> {
    let settings = ChaosSettings::from_env()?;
    let world = World::builder().orchestrators(2).start().await?;
    let load = Load::held(world.system.urls(), SAGAS, SAGAS);
    load.admit(SAGAS);
    // Nothing ends meanwhile: each saga waits for its parcel.
    world.system.shipping.stop()?;
    let deletion = async {
        let all = async || (load.promised().len() == SAGAS).then_some(());
        wait::until("all sagas to be in flight", SOON, all).await?;
        let open = "select count(*) from saga.saga where finished_at is null";
        let open: i64 = sqlx::query_scalar(open).fetch_one(&world.db).await?;
        ensure!(usize::try_from(open)? == SAGAS, "{open} are in flight");
        world.queues.delete_all().await?;
        let deleted = std::time::Instant::now();
        world.system.shipping.cont()?;
        Ok(deleted)
    };
    let (placed, deleted) = tokio::try_join!(load.run(), deletion)?;

    for order in &placed {
        assert_eq!(order.saga["status"], order.expected, "{order:?}");
    }
    drained(&world).await?;
    world.system.stop();
    check_promised(&world.db, &load.promised()).await?;
    check(&world.db).await?;
    let times: Times = placed.iter().map(|order| order.ended.duration_since(deleted)).collect();
    let about =
        format!("All queues were deleted with {SAGAS} sagas in flight; all ended as meant.");
    publish(&settings, &section("All queues are deleted", &about, "to a saga's end", &times))
}
