//! The harness itself: what the tests of failures stand on does what it says.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use lab::{Broker, DatabaseServer, End, Who, wait};
use reqwest::{Method, StatusCode};
use saga_tests::{Load, Promised, World, check, check_promised, order};
use serde_json::json;
use uuid::Uuid;

/// Processes and servers come back within seconds; this allows for a busy machine.
const SOON: Duration = Duration::from_secs(60);
/// Enough to be under way when the road is cut, and after it heals.
const ORDERS: usize = 120;

#[tokio::test]
async fn several_orchestrators_bear_a_load_while_the_roads_of_one_are_cut() -> Result<()> {
    let first = Who::Orchestrator(0);
    let world = World::builder().orchestrators(2).replicas(2).through_proxies().start().await?;
    assert_eq!((world.system.members().len(), world.roads.len()), (8, 8));
    for roads in &world.roads {
        for proxy in roads.both() {
            let used = async || (proxy.connections() > 0).then_some(());
            wait::until(&format!("{} to use its proxies", roads.who), SOON, used).await?;
        }
    }

    let load = Load::over(world.system.urls(), ORDERS);
    let faults = async {
        let quarters = |count| (load.ended() >= ORDERS * count / 4).then_some(());
        wait::until("a quarter of the orders", SOON, async || quarters(1)).await?;
        for proxy in world.roads_of(first)?.both() {
            proxy.refuse()?;
            proxy.cut()?;
        }
        let orchestrator = world.system.member(first).expect("there is a first");
        let unready = async || (!orchestrator.is_ready().await).then_some(());
        wait::until("the first to be without servers", SOON, unready).await?;
        let (url, body) = (orchestrator.url(), order("o-1").to_string());
        let json = [("content-type", "application/json")];
        let answer = world.send_to(&url, Method::POST, "/orders", &json, body).await?;
        ensure!(answer.status == StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        wait::until("half of the orders", SOON, async || quarters(2)).await?;
        for proxy in world.roads_of(first)?.both() {
            proxy.heal()?;
        }
        orchestrator.ready().await
    };
    let (placed, ()) = tokio::try_join!(load.run(), faults)?;

    assert_eq!((placed.len(), load.promised().len()), (ORDERS, ORDERS));
    for order in &placed {
        assert_eq!(order.saga["status"], order.expected, "{order:?}");
        assert!(order.asked <= order.accepted && order.accepted <= order.ended, "{order:?}");
    }
    assert!(placed.iter().any(|order| order.requests > 2), "nobody was turned away");
    check_promised(&world.db, &load.promised()).await?;
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn an_accepted_start_that_is_not_there_is_lost() -> Result<()> {
    let world = World::start().await?;
    let load = Load::new(&world.system.url, 1);
    load.run().await?;
    let kept = load.promised();
    check_promised(&world.db, &kept).await?;
    let [kept] = &kept[..] else { panic!("{kept:?}") };
    for lost in [
        Promised { id: Uuid::nil(), ..kept.clone() },
        Promised { key: "another".to_owned(), at: Instant::now(), ..kept.clone() },
    ] {
        let seen = check_promised(&world.db, &[kept.clone(), lost.clone()]).await;
        let seen = seen.expect_err("one is lost").to_string();
        assert!(seen.contains(&format!("{} as {}", lost.key, lost.id)), "{seen}");
    }
    Ok(())
}

#[tokio::test]
async fn a_process_ends_as_it_is_told_and_starts_with_other_settings() -> Result<()> {
    let (payment, wrong) = (Who::Participant("payment", 1), "not a URL");
    let builder = World::builder().replicas(2).env(payment, "AMQP_URL", wrong);
    let mut world = builder.launch().await?;
    let amqp_url = world.system.settings.amqp_url.clone();
    let member = world.system.member_mut(payment).expect("there are two of each");
    let end = member.end(SOON).await?;
    assert!(matches!(end, End::Exit(code) if code != 0), "{end:?}");
    member.set_env("AMQP_URL", Some(&amqp_url));
    member.restart()?;
    world.system.ready().await?;
    assert_eq!(world.place("/orders", &order("o-1")).await?["status"], "completed");

    let member = world.system.member_mut(payment).expect("there are two of each");
    member.stop()?;
    member.stopped(SOON).await?;
    member.cont()?;
    member.term()?;
    assert_eq!(member.end(SOON).await?, End::ORDER);
    world.system.orchestrator.kill9();
    assert_eq!(world.system.orchestrator.ended(), Some(End::KILL9));
    assert!(world.system.ready().await.is_err(), "two have ended");
    world.system.orchestrator.restart()?;
    world.system.orchestrator.ready().await?;
    assert_eq!(world.place("/orders", &order("o-2")).await?["status"], "completed");
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_world_on_servers_of_its_own_outlives_them() -> Result<()> {
    let mut broker = Broker::shared().await?;
    let mut server = DatabaseServer::shared().await?;
    let world = World::builder().on_broker(&broker)?.on_database(&server)?.start().await?;
    assert!(world.system.settings.amqp_url.contains(&format!(":{}/", broker.port())));
    assert_eq!(world.place("/orders", &order("o-1")).await?["status"], "completed");
    let names = world.queues.names().await?;
    assert!(names.iter().any(|name| name == "saga.replies"), "{names:?}");

    world.queues.close_connections().await?;
    assert!(server.terminate_sessions().await? > 0);
    broker.sync().await?;
    broker.shut_down().await;
    server.kill9();
    let down = async || (!world.system.orchestrator.is_ready().await).then_some(());
    wait::until("the orchestrator to see it", SOON, down).await?;
    tokio::try_join!(broker.restart(), server.restart())?;
    world.system.ready().await?;
    let saga = world.place("/orders", &order("o-2")).await?;
    assert_eq!(saga["status"], json!("completed"));
    check(&world.db).await?;
    Ok(())
}
