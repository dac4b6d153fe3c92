//! The broker does not let us do what we must: permissions, other arguments, a queue that does not
//! answer.

use anyhow::Result;
use saga_tests::{check, order};

use crate::support::{Site, accepted, times_said};

const PAYMENTS: &str = "saga.commands.payment";

#[tokio::test]
async fn a_revoked_permission_is_told_and_work_goes_on_once_it_is_back() -> Result<()> {
    let site = Site::new().await?;
    let world = &site.world;
    site.permit("^$").await?;
    let said =
        site.unready(&["ACCESS_REFUSED", "rabbitmqctl set_permissions", &site.vhost]).await?;
    let id = accepted(world, "/orders", &order("o-1")).await?;
    assert!(said.contains(r"guest '^saga\.'"), "the way out names all that is needed: {said}");
    // A minute holds some thirty tries; each cause is logged once.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let logged = times_said(&world.system.orchestrator, "ACCESS_REFUSED")?;
    assert!((1..=4).contains(&logged), "{logged} lines");
    site.permit(r"^saga\.").await?;
    world.system.ready().await?;
    world.until_status(&id, "completed").await?;
    check(&world.db).await.map(|_| ())
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_told_and_made_anew_once_it_is_deleted() -> Result<()> {
    let site = Site::new().await?;
    let world = &site.world;
    world.queues.delete(PAYMENTS).await.ok();
    let queue = format!("R(queue, <<\"{PAYMENTS}\">>)");
    // Between its end and this, somebody may have made it again as it must be.
    site.eval(&format!(
        "case rabbit_amqqueue:lookup({queue}) of {{ok, Q}} -> \
         rabbit_amqqueue:delete(Q, false, false, <<>>); _ -> ok end, \
         {{new, _}} = rabbit_amqqueue:declare({queue}, true, false, [], none, <<>>)"
    ))
    .await?;
    let words =
        ["inequivalent arg", PAYMENTS, "received", "but current", "rabbitmqctl delete_queue"];
    site.unready(&words).await?;
    let id = accepted(world, "/orders", &order("o-1")).await?;
    world.queues.delete(PAYMENTS).await?;
    world.system.ready().await?;
    world.until_status(&id, "completed").await?;
    check(&world.db).await.map(|_| ())
}

#[tokio::test]
async fn a_queue_that_is_only_a_name_is_told_with_the_way_out() -> Result<()> {
    let site = Site::new().await?;
    let world = &site.world;
    // As after a crash that came right after it was made.
    site.eval(
        "{ok, Q} = rabbit_amqqueue:lookup(R(queue, <<\"saga.replies\">>)), \
         ra:force_delete_server(quorum_queues, amqqueue:get_pid(Q))",
    )
    .await?;
    world.queues.close_connections().await?;
    let said = site.unready(&["saga.replies", "by name only"]).await?;
    let delete = format!("rabbitmqctl delete_queue -p {} saga.replies", site.vhost);
    assert!(said.contains(&delete), "{said}");
    let id = accepted(world, "/orders", &order("o-1")).await?;
    world.queues.delete("saga.replies").await?;
    world.system.ready().await?;
    world.until_status(&id, "completed").await?;
    check(&world.db).await.map(|_| ())
}
