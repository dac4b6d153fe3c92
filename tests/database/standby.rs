//! The server that answers is a standby, as after a failover, or with the wrong name in
//! `DATABASE_URL`.

use anyhow::Result;
use lab::{DatabaseServer, End};
use saga_tests::{World, check, order};

use crate::support::{SOON, until_ended, until_refused, until_taken};

#[tokio::test]
async fn a_standby_is_refused_until_it_is_the_primary() -> Result<()> {
    let mut server = DatabaseServer::shared().await?;
    let mut world = World::builder().on_database(&server)?.start().await?;
    world.system.inventory.stop()?;
    let id = world.begin("/orders", &order("o-1")).await?;
    world.until_step(&id, "inventory", "running").await?;

    server.stand_by().await?;
    until_refused(&world).await?;
    // It would answer, with what may be old.
    let read = world.get(&format!("/v1/sagas/{id}")).await?;
    assert_eq!(read.status, 503, "{read:?}");
    assert!(world.get("/healthz").await?.status.is_success(), "it has not ended for that");
    // Whoever starts now says what is wrong, and does not.
    let system = &mut world.system;
    for member in [&mut system.orchestrator, &mut system.payment] {
        member.restart()?;
        assert!(matches!(member.end(SOON).await?, End::Exit(1..)));
        let said = std::fs::read_to_string(member.process().log())?;
        assert!(said.contains("it is a standby") && said.contains("the primary"), "{said}");
    }

    server.promote().await?;
    world.system.orchestrator.restart()?;
    world.system.payment.restart()?;
    world.system.ready().await?;
    until_taken(&world).await?;
    world.system.inventory.cont()?;
    world.until_status(&id, "completed").await?;
    until_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}
