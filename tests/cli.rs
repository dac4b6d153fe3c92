//! The command line tool against a running orchestrator: what it prints, and how it exits.

use std::fs;

use anyhow::{Context, Result};
use lab::{Binary, Lab};
use saga_tests::{Said, World, order, order_with};
use serde_json::{Value, json};

fn input(name: &str, order: &Value) -> Result<String> {
    let path = Lab::from_env()?.logs().join(format!("{name}-{}.json", std::process::id()));
    fs::write(&path, order.to_string())?;
    Ok(path.display().to_string())
}

fn start(world: &World, file: &str, more: &[&str]) -> Result<Said> {
    world.cli(&[&["start", "order", "--input", file], more].concat())
}

#[tokio::test]
async fn sagas_are_started_shown_listed_and_cancelled() -> Result<()> {
    let world = World::start().await?;
    let completed = start(&world, &input("good", &order("o-1"))?, &["--wait", "--json"])?;
    assert_eq!(completed.code, Some(0), "{completed:?}");
    let completed = completed.json()?;
    assert_eq!((&completed["status"], &completed["key"]), (&json!("completed"), &json!("o-1")));

    let remote = order_with("o-2", "/address/country", json!("AQ"));
    let undone = start(&world, &input("remote", &remote)?, &["--wait", "--json"])?;
    assert_eq!(undone.code, Some(1), "the answer is no: {undone:?}");
    let undone = undone.json()?;
    assert_eq!(undone["status"], "compensated");
    let undone = undone["id"].as_str().context("an id")?;

    let shown = world.cli(&["show", undone])?;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for word in ["compensated", "payment", "refund", "release", "address_not_served", undone] {
        assert!(shown.stdout.contains(word), "no `{word}` in {}", shown.stdout);
    }
    let shown = world.cli(&["show", undone, "--json"])?.json()?;
    assert_eq!(shown, world.saga(undone).await?);

    let journal = world.cli(&["journal", undone])?;
    assert_eq!(journal.code, Some(0), "{journal:?}");
    let place = |word| journal.stdout.find(word).with_context(|| format!("no `{word}`"));
    assert!(place("shipping")? > place("payment")?, "{}", journal.stdout);
    let journal = world.cli(&["journal", undone, "--json"])?.json()?;
    assert_eq!(journal["items"], json!(world.journal(undone).await?));
    assert_eq!(journal["next"], Value::Null);

    world.system.inventory.process().stop()?;
    let running = start(&world, &input("slow", &order("o-3"))?, &["--key", "k-3", "--json"])?;
    assert_eq!(running.code, Some(0), "{running:?}");
    let running = running.json()?["id"].as_str().context("an id")?.to_owned();
    world.until_step(&running, "inventory", "running").await?;
    let list = world.cli(&["list"])?.stdout;
    let rank = |id: &str| list.find(id).with_context(|| format!("no {id} in {list}"));
    assert!(rank(&running)? < rank(undone)?, "active ones first:\n{list}");
    let list = world.cli(&["list", "--status", "compensated", "--json"])?.json()?;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["items"][0]["id"], undone);

    let cancelled = world.cli(&["cancel", &running, "--reason", "changed their mind"])?;
    assert_eq!(cancelled.code, Some(0), "{cancelled:?}");
    world.system.inventory.process().cont()?;
    let saga = world.until_status(&running, "compensated").await?;
    let entries = world.journal(&running).await?;
    let told = entries.iter().find(|row| row["entry"]["event"]["verb"] == "cancel");
    assert_eq!(told.context("it is there")?["entry"]["event"]["reason"], "changed their mind");
    assert_eq!(saga["cause"]["code"], "cancelled");
    let late =
        world.cli(&["cancel", completed["id"].as_str().context("an id")?, "--reason", "x"])?;
    assert_eq!(late.code, Some(1), "it is completed: {late:?}");
    Ok(())
}

#[tokio::test]
async fn what_it_cannot_do_it_says_with_the_way_out() -> Result<()> {
    let world = World::start().await?;
    let good = input("unused", &order("o-1"))?;
    let incomplete = input("incomplete", &json!({ "order_id": "o-1" }))?;
    let nobody = "018f0000-0000-7000-8000-000000000000";
    let cases: [(&[&str], i32, &str); 8] = [
        (&["show", nobody], 1, nobody),
        (&["show", "not-an-id"], 2, "not-an-id"),
        (&["start", "unheard-of", "--input", &good], 1, "unheard-of"),
        (&["start", "order", "--input", &incomplete], 1, "customer_id"),
        (&["start", "order", "--input", "/no/such/file"], 2, "/no/such/file"),
        (&["list", "--status", "failed"], 2, "failed"),
        (&["cancel", nobody], 2, "--reason"),
        (&["unheard-of"], 2, "unheard-of"),
    ];
    for (arguments, code, says) in cases {
        let said = world.cli(arguments)?;
        assert_eq!(said.code, Some(code), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(says), "{arguments:?}: {said:?}");
        assert_eq!(said.stdout, "", "{arguments:?}: stdout is data");
    }
    assert_eq!(world.count("select count(*) from saga.saga").await?, 0);

    let nowhere = Binary::new("saga").args(["list"]).env("SAGA_URL", "http://127.0.0.1:1");
    let said = Said::of(&nowhere)?;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("http://127.0.0.1:1") && said.stderr.contains("SAGA_URL"));
    Ok(())
}
