//! Orchestrators on one broker and database whose folders differ, as while a release rolls out.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use lab::{Lab, Who, wait};
use reqwest::{Method, StatusCode};
use saga_tests::{Answer, World, check, order};
use serde_json::{Value, json};

use crate::support::{
    INVENTORY, PAYMENT, SHIPPING, SOON, definition, known, metric, of, until_all_ended, write,
};

const SECOND: Who = Who::Orchestrator(1);
/// Sagas of each kind, started at each orchestrator.
const EACH: usize = 20;

/// A folder of its own for one orchestrator.
fn folder(name: &str) -> Result<PathBuf> {
    let folder = Lab::from_env()?.logs().join(format!("{name}-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

async fn post(world: &World, url: &str, path: &str, key: &str) -> Result<Answer> {
    let json = [("content-type", "application/json")];
    world.send_to(url, Method::POST, path, &json, order(key).to_string()).await
}

/// Both have another version of one definition, and each one that the other does not have.
#[tokio::test]
async fn each_starts_what_its_folder_has_and_moves_whatever_there_is() -> Result<()> {
    let (here, there) = (folder("defs-here")?, folder("defs-there")?);
    write(&here, "parcel", &definition("parcel", &[PAYMENT, INVENTORY]))?;
    write(&here, "here", &definition("here", &[PAYMENT, SHIPPING]))?;
    write(&there, "parcel", &definition("parcel", &[PAYMENT, SHIPPING]))?;
    write(&there, "there", &definition("there", &[PAYMENT, INVENTORY, SHIPPING]))?;
    let text = |folder: &PathBuf| folder.display().to_string();
    let builder = World::builder().orchestrators(2);
    let builder = builder.env(Who::Orchestrator(0), "SAGA_DEFS", &text(&here));
    let mut world = builder.env(SECOND, "SAGA_DEFS", &text(&there)).start().await?;
    let urls = world.system.urls();
    let [first, second] = &urls[..] else { panic!("{urls:?}") };

    for (url, path) in [(first, "/there"), (second, "/here")] {
        assert_eq!(post(&world, url, path, "o-1").await?.status, StatusCode::NOT_FOUND);
    }
    world.system.payment.process().stop()?;
    for number in 0..EACH {
        for (url, path, key) in [
            (first, "/parcel", format!("first-{number}")),
            (second, "/parcel", format!("second-{number}")),
            (first, "/here", format!("o-{number}")),
            (second, "/there", format!("o-{number}")),
        ] {
            let answer = post(&world, url, path, &key).await?;
            assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
        }
    }
    // Whoever asks again elsewhere gets the saga that there is, as it began.
    let again = post(&world, first, "/parcel", "second-0").await?;
    assert_eq!(again.status, StatusCode::ACCEPTED, "{again:?}");
    let steps = again.body["steps"].as_array().context("it has steps")?;
    assert_eq!(steps[1]["name"], "shipping", "{:#}", again.body);
    for (url, name, others) in [(first, "here", "there"), (second, "there", "here")] {
        let known = known(&world, url).await?;
        assert!(of(&known, name)["current"].is_string(), "{known:#}");
        assert_eq!(of(&known, others)["current"], Value::Null);
        assert_eq!(of(&known, others)["versions"][0]["running"], json!(EACH));
        assert_eq!(of(&known, "parcel")["versions"].as_array().map(Vec::len), Some(2));
    }

    // All of the second one's sagas are for the first to move now.
    world.system.member(SECOND).context("there are two")?.kill9();
    world.system.payment.process().cont()?;
    until_all_ended(&world).await?;
    let completed = "select count(*) from saga.saga where status = 'completed'";
    assert_eq!(world.count(completed).await?, i64::try_from(4 * EACH)?);

    // And the second one serves its own folder when it is back.
    world.system.member_mut(SECOND).context("there are two")?.restart()?;
    world.system.ready().await?;
    let answer = post(&world, second, "/there", "o-new").await?;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    until_all_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}

/// Time passes for a saga that nobody has told this orchestrator of: no reply, and no question.
#[tokio::test]
async fn what_is_due_of_others_is_learned_before_it_is_looked_at() -> Result<()> {
    let (here, there) = (folder("defs-known")?, folder("defs-unknown")?);
    let hasty = PAYMENT.replace(
        "timeout: 10m",
        "timeout: 2s\n    retry: { attempts: 30, initial: 50ms, factor: 2, max: 1s }",
    );
    write(&here, "here", &definition("here", &[PAYMENT]))?;
    write(&there, "there", &definition("there", &[&hasty]))?;
    let builder = World::builder().orchestrators(2);
    let builder = builder.env(Who::Orchestrator(0), "SAGA_DEFS", &here.display().to_string());
    let builder = builder.env(SECOND, "SAGA_DEFS", &there.display().to_string());
    let mut world = builder.start().await?;
    let urls = world.system.urls();
    world.system.payment.process().stop()?;
    assert_eq!(post(&world, &urls[1], "/there", "o-1").await?.status, StatusCode::ACCEPTED);
    world.system.member(SECOND).context("there are two")?.kill9();
    // What it met before, as when it found that queues were new, it has forgotten.
    world.system.orchestrator.kill9();
    world.system.orchestrator.restart()?;
    world.system.orchestrator.ready().await?;

    // Asked of the database: whoever asks the orchestrator for a saga has it learn the version.
    let tried = "select count(*) from saga.step where attempts > 1";
    let again = async || (world.count(tried).await.ok()? == 1).then_some(());
    wait::until("another attempt", SOON, again).await?;
    let looks = metric(&world, &urls[0], "saga_looks_sidelined_total").await?;
    assert!(looks < 1.0, "{looks} looks failed at a saga that another began");
    world.system.payment.process().cont()?;
    until_all_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}
