//! The database's disk is full.

use std::time::Duration;

use anyhow::{Result, ensure};
use lab::{DatabaseServer, wait};
use saga_tests::{World, check, order};

use crate::support::{SOON, ask, until_ended, until_taken};

/// A server that has panicked for want of room comes back by itself, or has ended by then.
const PANIC_MAX: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_full_disk_refuses_starts_until_there_is_room() -> Result<()> {
    let Some(mut server) = DatabaseServer::start_on_small_disk().await? else { return Ok(()) };
    let world = World::builder().on_database(&server)?.start().await?;
    let before = world.place("/orders", &order("before")).await?;
    server.fill_disk()?;
    // What the server has set aside is used up first.
    let refused = wait::until("a start to be refused", SOON, async || {
        let asked = (0..20).map(|_| ask(&world));
        let asked = futures_util::future::try_join_all(asked).await;
        match asked {
            Ok(statuses) => statuses.iter().any(|status| !status.is_success()).then_some(Ok(())),
            Err(error) => Some(Err(error)),
        }
    });
    refused.await??;
    ensure!(world.get("/healthz").await?.status.is_success(), "it has not ended for that");

    server.free_disk()?;
    // A supervisor starts a server again that has ended.
    let answers =
        wait::until("the server", PANIC_MAX, async || server.admin("select 1").await.ok());
    if answers.await.is_err() {
        server.restart().await?;
    }
    until_taken(&world).await?;
    world.system.ready().await?;
    assert_eq!(world.place("/orders", &order("after")).await?["status"], "completed");
    let id = before["id"].as_str().unwrap_or_default();
    assert_eq!(world.saga(id).await?["status"], "completed");
    until_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}
