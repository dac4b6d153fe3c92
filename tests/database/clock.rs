//! The database's clock, by which everything is decided: it jumps, it is another zone's, and it
//! holds times that are none.

use anyhow::Result;
use lab::{DatabaseServer, wait};
use saga_tests::{World, check, order, step_of};
use serde_json::Value;

use crate::support::{SOON, until_ended};

/// Far above every timeout, retry and deadline here.
const HOUR: i64 = 3_600;

#[tokio::test]
async fn a_jump_ahead_fires_early_and_a_jump_back_late_and_both_end_truthfully() -> Result<()> {
    let Some(server) = DatabaseServer::start_with_own_clock().await? else { return Ok(()) };
    let mut world = World::builder().on_database(&server)?.start().await?;

    // Ahead: the deadline of the one, of ten minutes, is over, and so is an attempt of the other.
    world.system.inventory.stop()?;
    let [undone, pivot] = begun(&world, "ahead").await?;
    server.turn_clock(HOUR)?;
    world.until_status(&undone, "compensating").await?;
    let again = |saga: &Value| step_of(saga, "inventory")["attempts"] == 2;
    world.until(&pivot, "another attempt", again).await?;
    world.system.inventory.cont()?;
    world.until_status(&undone, "compensated").await?;
    world.until_status(&pivot, "completed").await?;

    // Back: who waits for an answer goes on with it.
    world.system.inventory.stop()?;
    let waiting = begun(&world, "back").await?;
    server.turn_clock(0)?;
    turned(&world, &waiting).await?;
    world.system.inventory.cont()?;
    for id in &waiting {
        world.until_status(id, "completed").await?;
    }

    // Who waits for a time, since the broker lost the command, waits until it comes again.
    server.turn_clock(HOUR)?;
    heard(&world).await?;
    world.system.inventory.kill9();
    let waiting = begun(&world, "lost").await?;
    world.system.orchestrator.stop()?;
    world.queues.purge("saga.commands.inventory").await?;
    server.turn_clock(0)?;
    world.system.orchestrator.cont()?;
    world.system.inventory.restart()?;
    turned(&world, &waiting).await?;
    assert_eq!(world.place("/orders", &order("meanwhile")).await?["status"], "completed");
    turned(&world, &waiting).await?;
    server.turn_clock(HOUR)?;
    until_ended(&world).await?;
    for id in &waiting {
        let saga = world.saga(id).await?;
        assert_eq!(saga["status"], "completed", "{saga:#}");
    }
    check(&world.db).await?;
    Ok(())
}

/// Waits until the orchestrator has heard what time it is: until then it takes the deadline of what
/// it starts from the time before.
async fn heard(world: &World) -> Result<()> {
    let mut number = 0;
    let completed = async || {
        number += 1;
        let saga = world.place("/orders", &order(&format!("heard-{number}"))).await.ok()?;
        (saga["status"] == "completed").then_some(())
    };
    wait::until("an order to be in time", SOON, completed).await
}

/// An order and a saga without a deadline, at a step that nobody answers.
async fn begun(world: &World, key: &str) -> Result<[String; 2]> {
    let body = order(key);
    let begun = [world.begin("/orders", &body).await?, world.begin("/pivot", &body).await?];
    for id in &begun {
        world.until_step(id, "inventory", "running").await?;
    }
    Ok(begun)
}

/// Waits until sagas wait for a time that is most of an hour away.
async fn turned(world: &World, ids: &[String]) -> Result<()> {
    let sql = "select count(*) from saga.saga where id = any($1::uuid[])
        and wake_at > clock_timestamp() + interval '50 minutes' and finished_at is null";
    let all = async || {
        let count: i64 = sqlx::query_scalar(sql).bind(ids).fetch_one(&world.db).await.ok()?;
        (count == 2).then_some(())
    };
    wait::until("sagas to wait for the clock", SOON, all).await
}

#[tokio::test]
async fn days_and_times_are_those_of_utc_wherever_the_database_is() -> Result<()> {
    let mut world = World::start().await?;
    // Over the days on which the clocks there are changed.
    let elsewhere = "do $$ declare this name := current_database(); begin
            execute format('alter database %I set timezone = ''America/New_York''', this);
            execute format('alter database %I set datestyle = ''German''', this);
        end $$;
        set timezone = 'America/New_York'; set datestyle = 'German';
        select saga.make_journal_partitions(200);
        reset timezone; reset datestyle";
    sqlx::raw_sql(elsewhere).execute(&mut *world.db.acquire().await?).await?;
    let days = "select count(*) from pg_inherits join pg_class on oid = inhrelid
        where inhparent = 'saga.journal'::regclass
        and pg_get_expr(relpartbound, oid) like '% 00:00:00+00''%TO%00:00:00+00''%'";
    assert_eq!(world.count(days).await?, 202, "yesterday, today, and so many");

    world.system.orchestrator.restart()?;
    world.system.payment.restart()?;
    world.system.ready().await?;
    let saga = world.place("/orders", &order("o-1")).await?;
    assert_eq!(saga["status"], "completed");
    let sql = "select count(*) from saga.saga join saga.step on saga_id = id
        where created_at = $1::timestamptz and started_at between created_at and clock_timestamp()
        and clock_timestamp() - created_at < interval '10 minutes'";
    let steps: i64 =
        sqlx::query_scalar(sql).bind(saga["created_at"].as_str()).fetch_one(&world.db).await?;
    assert_eq!(steps, 3, "{saga:#}");
    check(&world.db).await?;
    Ok(())
}

/// Postgres has times that are no times. No program of ours writes them; whoever does by hand finds
/// sagas that can still be seen and ended.
#[tokio::test]
async fn a_time_that_never_comes_or_always_was_breaks_nothing() -> Result<()> {
    let world = World::start().await?;
    for (key, time) in [("never", "infinity"), ("always", "-infinity")] {
        world.system.inventory.stop()?;
        let id = world.begin("/orders", &order(key)).await?;
        world.until_step(&id, "inventory", "running").await?;
        let sql = "update saga.saga set wake_at = moment, updated_at = moment
            from (select $2::text::timestamptz as moment) as given where id = $1::uuid";
        sqlx::query(sql).bind(&id).bind(time).execute(&world.db).await?;
        world.saga(&id).await?;
        for path in ["/v1/sagas", "/v1/timers"] {
            let answer = world.get(path).await?;
            assert!(answer.status.is_success(), "{path}: {answer:?}");
        }
        let body = serde_json::json!({ "reason": "a test" });
        let answer = world.cancel(&id, &body).await?;
        assert!(answer.status.is_success(), "{answer:?}");
        world.system.inventory.cont()?;
        world.until_status(&id, "compensated").await?;
    }
    check(&world.db).await?;
    Ok(())
}
