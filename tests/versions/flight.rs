//! Sagas in flight while their definition changes, and the orchestrator is killed on top of it.

use std::collections::BTreeMap;

use anyhow::Result;
use futures_util::future::try_join_all;
use saga_tests::{World, check, order, order_with};
use serde_json::{Value, json};

use crate::support::{
    INVENTORY, PAYMENT, SHIPPING, definition, known, metric, of, until_all_ended, until_current,
    write,
};

const OLD: usize = 200;
const NEW: usize = 50;
/// One saga in so many is refused, and turns back.
const REFUSED_EVERY: usize = 5;
const NAME: &str = "parcel";

/// What makes the orchestrator load the files anew.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    ByTheFiles,
    BySighup,
}

#[tokio::test]
async fn sagas_in_flight_finish_as_they_began_when_a_file_changes() -> Result<()> {
    change_in_flight(Told::ByTheFiles).await
}

#[tokio::test]
async fn sagas_in_flight_finish_as_they_began_when_a_signal_has_the_file_read() -> Result<()> {
    change_in_flight(Told::BySighup).await
}

async fn change_in_flight(told: Told) -> Result<()> {
    let mut world = World::start().await?;
    let first = serve(&world, told, &[PAYMENT, INVENTORY], &Value::Null).await?;
    world.system.payment.process().stop()?;
    begin(&world, "old", OLD, "/items/0/quantity", json!(10_000_000)).await?;
    let second = serve(&world, told, &[PAYMENT, SHIPPING], &json!(first)).await?;
    begin(&world, "new", NEW, "/address/country", json!("AQ")).await?;

    let all = known(&world, &world.system.url).await?;
    assert_eq!(of(&all, NAME)["path"], format!("/{NAME}"));
    assert_eq!(all["reload_error"], Value::Null);
    assert_eq!(counts(of(&all, NAME)), [(second.clone(), NEW, true), (first.clone(), OLD, false)]);
    let said = world.cli(&["definitions"])?;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""), "{said:?}");
    for (version, state) in [(&first, "draining"), (&second, "current")] {
        let line = said.stdout.lines().find(|line| line.contains(version.as_str()));
        assert!(line.is_some_and(|line| line.contains(state)), "{}", said.stdout);
    }

    world.system.orchestrator.kill9();
    world.system.orchestrator.restart()?;
    world.system.ready().await?;
    world.system.payment.process().cont()?;
    until_all_ended(&world).await?;
    assert_eq!(ends(&world).await?, expected(&first, &second));
    let books = [
        ("charged and kept", "payment.charge where status = 'charged'", 160 + 40),
        ("refunded", "payment.charge where status = 'refunded'", 40 + 10),
        ("reserved by old ones", "inventory.reservation where status = 'reserved'", 160),
        ("booked by new ones", "shipping.shipment where status = 'scheduled'", 40),
    ];
    for (what, rows, count) in books {
        let sql = format!("select count(distinct saga_id) from {rows}");
        let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&world.db).await?;
        assert_eq!(found, count, "{what}");
    }

    let one = world.cli(&["definitions", NAME, "--json"])?.json()?;
    assert_eq!(counts(&one), [(second.clone(), 0, true), (first, 0, false)]);
    assert!(one["versions"].as_array().is_some_and(|all| all.iter().all(|v| v["drained"] == true)));
    let all = known(&world, &world.system.url).await?;
    assert_eq!(counts(of(&all, NAME)), [(second, 0, true)], "what is drained is over");
    check(&world.db).await?;
    Ok(())
}

/// Writes the definition and waits until it is served; its version.
async fn serve(world: &World, told: Told, steps: &[&str], before: &Value) -> Result<String> {
    write(&world.system.settings.definitions, NAME, &definition(NAME, steps))?;
    let by_signal = told == Told::BySighup;
    if by_signal {
        world.system.orchestrator.process().hup()?;
    }
    let version = until_current(world, NAME, before).await?;
    let log = std::fs::read_to_string(world.system.orchestrator.process().log())?;
    let told = "told to load the definitions again";
    assert_eq!(log.contains(told), by_signal, "{log}");
    let changed = r#"saga_definitions_reloads_total{result="changed"}"#;
    assert!(metric(world, &world.system.url, changed).await? >= 1.0);
    Ok(version)
}

/// Starts so many at once, of which some will be refused.
async fn begin(world: &World, kind: &str, count: usize, field: &str, wrong: Value) -> Result<()> {
    let path = format!("/{NAME}");
    let orders = (0..count).map(|number| {
        let key = format!("{kind}-{number}");
        match number.is_multiple_of(REFUSED_EVERY) {
            true => order_with(&key, field, wrong.clone()),
            false => order(&key),
        }
    });
    let orders: Vec<_> = orders.collect();
    try_join_all(orders.iter().map(|order| world.begin(&path, order))).await?;
    Ok(())
}

/// Version, how many of its sagas are in flight, and whether it is current: of each, in order.
fn counts(definition: &Value) -> Vec<(String, usize, bool)> {
    let count = |version: &Value| {
        let number = |name: &str| version[name].as_u64().unwrap_or_default();
        let in_flight = number("running") + number("compensating") + number("stuck");
        let hash = version["version"].as_str().unwrap_or_default().to_owned();
        assert!(version["first_seen"].is_string(), "{version}");
        (hash, usize::try_from(in_flight).unwrap_or(usize::MAX), version["current"] == true)
    };
    definition["versions"].as_array().into_iter().flatten().map(count).collect()
}

/// How many sagas ended how, by version and by the steps that they had.
async fn ends(world: &World) -> Result<BTreeMap<String, i64>> {
    let sql = "select definition_hash || ' ' || status || ': ' || steps, count(*) from (
            select definition_hash, status, (
                select string_agg(step.name, ' ' order by step.name)
                from saga.step where step.saga_id = saga.id) as steps
            from saga.saga) as saga
        group by 1";
    let rows: Vec<(String, i64)> = sqlx::query_as(sql).fetch_all(&world.db).await?;
    Ok(rows.into_iter().collect())
}

fn expected(first: &str, second: &str) -> BTreeMap<String, i64> {
    let old = "inventory payment";
    let new = "payment shipping";
    BTreeMap::from([
        (format!("{first} completed: {old}"), 160),
        (format!("{first} compensated: {old}"), 40),
        (format!("{second} completed: {new}"), 40),
        (format!("{second} compensated: {new}"), 10),
    ])
}
