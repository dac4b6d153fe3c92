//! What a newcomer does with it.

use std::fs;

use anyhow::Result;
use lab::wait;
use saga_tests::{check_files, order, order_with, step_of};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection};

use crate::support::{Dev, PATIENCE};

#[tokio::test]
async fn an_order_completes_and_one_to_antarctica_is_undone() -> Result<()> {
    let dev = Dev::start(&[]).await?;
    let completed = dev.place(&order("o-1"), 60).await?;
    assert_eq!(completed["status"], "completed", "{completed:#}");
    let undone = dev.place(&order_with("o-2", "/address/country", json!("AQ")), 60).await?;
    assert_eq!(undone["status"], "compensated", "{undone:#}");
    let steps = ["payment", "inventory", "shipping"].map(|step| &step_of(&undone, step)["status"]);
    assert_eq!(steps, ["compensated", "compensated", "rejected"]);
    // Everything works that works in production.
    let listed = dev.cli(&["list", "--json"])?.json()?;
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(2));
    dev.end().await?;
    let ends = check_files(&dev.data(), &[]).await?;
    assert_eq!(ends, [("completed".to_owned(), 1), ("compensated".to_owned(), 1)].into());
    Ok(())
}

#[tokio::test]
async fn it_says_what_runs_where_and_what_to_try() -> Result<()> {
    let dev = Dev::start(&[]).await?;
    let log = dev.log()?;
    let url = format!("http://127.0.0.1:{}", dev.url.rsplit(':').next().unwrap_or_default());
    for words in [
        url.as_str(),
        "order",
        "payment, inventory, shipping",
        "in this process",
        &dev.data().display().to_string(),
        r#""country": "AQ""#,
        "watch",
    ] {
        assert!(log.contains(words), "no `{words}` in {log}");
    }
    let curls = log.matches("curl -i").count();
    assert_eq!(curls, 2, "{log}");
    assert!(!log.contains("warning"), "nothing is wrong: {log}");
    Ok(())
}

#[tokio::test]
async fn what_is_kept_is_there_after_a_restart_until_it_is_reset() -> Result<()> {
    let mut dev = Dev::start(&[]).await?;
    let first = dev.place(&order("o-1"), 60).await?;
    dev.end().await?;
    dev.restart(&[]).await?;
    let again = dev.place(&order("o-1"), 60).await?;
    assert_eq!(again["id"], first["id"], "the same order is the same saga");
    dev.restart(&["--reset"]).await?;
    let anew = dev.place(&order("o-1"), 60).await?;
    assert_ne!(anew["id"], first["id"]);
    assert_eq!(anew["status"], "completed");
    dev.end().await?;
    assert_eq!(check_files(&dev.data(), &[]).await?, [("completed".to_owned(), 1)].into());
    Ok(())
}

#[tokio::test]
async fn definitions_are_loaded_again_when_they_change() -> Result<()> {
    let dev = Dev::start(&[]).await?;
    let file = dev.folder.path().join("defs").join("order.yaml");
    let old = dev.place(&order("o-1"), 60).await?["version"].clone();
    let text = fs::read_to_string(&file)?;
    fs::write(&file, text.replace("deadline: 10m", "deadline: 11m"))?;
    let current = wait::until("the new version", PATIENCE, async || {
        let known = dev.get("/v1/definitions/order").await.ok()?;
        let current = known["current"].clone();
        (current.is_string() && current != old).then_some(current)
    });
    let current = current.await?;
    let new = dev.place(&order("o-2"), 60).await?;
    assert_eq!((&new["version"], &new["status"]), (&current, &Value::from("completed")));
    Ok(())
}

#[tokio::test]
async fn the_checker_sees_broken_promises_in_files_too() -> Result<()> {
    let dev = Dev::start(&[]).await?;
    dev.place(&order("o-1"), 60).await?;
    dev.place(&order_with("o-2", "/address/country", json!("AQ")), 60).await?;
    dev.end().await?;
    for (promise, name, sql) in [
        ("money is conserved", "payment", "update account set balance = balance - 1"),
        (
            "a compensated saga leaves no effect",
            "inventory",
            "update reservation set status = 'reserved' where status = 'released'",
        ),
        (
            "a completed saga has the effect of each of its steps",
            "shipping",
            "update shipment set status = 'cancelled'",
        ),
        ("a journal has no gap", "saga", "delete from journal where version = 2"),
    ] {
        let file = dev.data().join(format!("{name}.db"));
        let before = fs::read(&file)?;
        let mut db = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
        db.execute(sql).await?;
        db.close().await?;
        let seen = check_files(&dev.data(), &[]).await;
        let said = seen.expect_err(promise).to_string();
        assert!(said.contains(promise), "no `{promise}` in {said}");
        fs::write(&file, before)?;
    }
    check_files(&dev.data(), &[]).await?;
    Ok(())
}
