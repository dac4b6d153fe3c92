//! Files that are wrong, that go, and that bring a new participant with them.

use std::fs;

use anyhow::{Context, Result};
use lab::wait;
use reqwest::StatusCode;
use saga_bus::{Bus, Settlement};
use saga_protocol::topology;
use saga_tests::{World, check, order};
use serde_json::{Value, json};

use crate::support::{
    INVENTORY, PAYMENT, SHIPPING, SOON, definition, known, metric, of, until, until_current, write,
};

#[tokio::test]
async fn a_broken_file_keeps_the_old_ones_running_and_is_said_until_it_is_mended() -> Result<()> {
    let world = World::start().await?;
    let (folder, url) = (&world.system.settings.definitions, &world.system.url);
    write(folder, "parcel", &definition("parcel", &[PAYMENT]))?;
    let first = until_current(&world, "parcel", &Value::Null).await?;

    let broken = definition("parcel", &[INVENTORY]).replace("compensation:", "compenstion:");
    write(folder, "parcel", &broken)?;
    // What is right beside it is not taken up either.
    write(folder, "beside", &definition("beside", &[PAYMENT]))?;
    let is_said = |known: &Value| {
        known["reload_error"].as_str().is_some_and(|why| why.contains("parcel.yaml:10:5"))
    };
    let said = until(&world, url, "the error to be said", is_said).await?;
    assert_eq!(of(&said, "parcel")["current"], first, "the old version is served");
    assert_eq!(of(&said, "beside"), &Value::Null);
    assert_eq!(world.place("/parcel", &order("o-1")).await?["version"], first);
    assert_eq!(world.post("/beside", &[], &order("o-1")).await?.status, StatusCode::NOT_FOUND);

    let ready = world.get("/readyz").await?;
    assert_eq!((ready.status, &ready.body["status"]), (StatusCode::OK, &json!("ready")));
    assert_eq!(ready.body["reload_error"], said["reload_error"]);
    let cli = world.cli(&["definitions"])?;
    assert_eq!(cli.code, Some(0), "{cli:?}");
    assert!(cli.stderr.contains("warning") && cli.stderr.contains("parcel.yaml:10:5"), "{cli:?}");
    let refused = r#"saga_definitions_reloads_total{result="refused"}"#;
    assert!(metric(&world, url, refused).await? >= 1.0);
    let log = fs::read_to_string(world.system.orchestrator.process().log())?;
    assert!(log.contains("CANNOT BE LOADED") && log.contains("parcel.yaml:10:5"), "{log}");

    write(folder, "parcel", &definition("parcel", &[INVENTORY]))?;
    let second = until_current(&world, "parcel", &json!(first)).await?;
    let mended = known(&world, url).await?;
    assert_eq!(mended["reload_error"], Value::Null);
    assert!(of(&mended, "beside")["current"].is_string(), "{mended:#}");
    assert_eq!(world.get("/readyz").await?.body, json!({ "status": "ready" }));
    assert_eq!(world.place("/parcel", &order("o-2")).await?["version"], second);
    let log = fs::read_to_string(world.system.orchestrator.process().log())?;
    assert!(log.contains(&format!("definition parcel: version {first} -> {second}")), "{log}");
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_file_that_goes_takes_its_name_and_path_and_leaves_its_sagas() -> Result<()> {
    let mut world = World::start().await?;
    let folder = world.system.settings.definitions.clone();
    write(&folder, "parcel", &definition("parcel", &[PAYMENT, SHIPPING]))?;
    let version = until_current(&world, "parcel", &Value::Null).await?;
    world.system.payment.process().stop()?;
    let id = world.begin("/parcel", &order("o-1")).await?;

    fs::remove_file(folder.join("parcel.yaml"))?;
    let is_gone = |known: &Value| of(known, "parcel")["current"].is_null();
    let known = until(&world, &world.system.url, "it to go", is_gone).await?;
    let gone = of(&known, "parcel");
    assert_eq!(gone["versions"][0]["version"], version, "it has a saga in flight: {gone:#}");
    for path in ["/parcel", "/v1/definitions/parcel/sagas"] {
        let refused = world.post(path, &[], &order("o-2")).await?;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}: {refused:?}");
    }
    assert_eq!(world.get("/parcel/o-1").await?.status, StatusCode::NOT_FOUND);

    world.system.orchestrator.kill9();
    world.system.orchestrator.restart()?;
    world.system.ready().await?;
    world.system.payment.process().cont()?;
    let saga = world.until_status(&id, "completed").await?;
    assert_eq!(saga["version"], version);
    assert_eq!(saga["steps"].as_array().map(Vec::len), Some(2));
    let one = world.get("/v1/definitions/parcel").await?;
    assert_eq!(one.body["versions"][0]["drained"], true, "{one:?}");
    let unheard = world.get("/v1/definitions/unheard-of").await?;
    assert_eq!(
        (unheard.status, &unheard.body["code"]),
        (404.try_into()?, &json!("unknown_definition"))
    );
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_participant_that_comes_with_a_file_gets_its_queue_and_its_commands() -> Result<()> {
    let world = World::start().await?;
    let queue = topology::command_queue(&"courier".parse()?);
    assert!(!world.queues.names().await?.contains(&queue));
    let courier = SHIPPING.replace("participant: shipping", "participant: courier");
    write(&world.system.settings.definitions, "parcel", &definition("parcel", &[&courier]))?;
    until_current(&world, "parcel", &Value::Null).await?;
    assert!(world.queues.names().await?.contains(&queue), "before anybody can start one");

    let bus = world.bus()?;
    let mut consumer = bus.consume(&queue, 1).await;
    let id = world.begin("/parcel", &order("o-1")).await?;
    let mut taken = tokio::time::timeout(SOON, consumer.receive(1)).await?.context("a bus")?;
    let command = taken.pop().context("a command")?;
    assert_eq!(command.message.correlation_id.as_deref(), Some(id.as_str()));
    assert_eq!(command.message.kind.as_deref(), Some("courier.schedule"));
    (command.settle)(Settlement::Acknowledge);
    bus.close().await;
    let shown = wait::until("it to be in flight", SOON, async || {
        let known = known(&world, &world.system.url).await.ok()?;
        let parcel = of(&known, "parcel");
        (parcel["versions"][0]["running"] == 1).then(|| parcel.clone())
    });
    assert_eq!(shown.await?["participants"], json!(["courier"]));
    Ok(())
}
