//! Private servers do what tests rely on: fresh places, real kills, restarts that keep the data.

use std::time::Duration;

use lab::{Broker, DatabaseServer, Lab, Signal, wait};

/// What is waited for happens at once, unless the machine is busy.
const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn every_database_and_virtual_host_is_fresh() {
    let lab = Lab::from_env().expect("a lab runs us");
    let (one, other) = (lab.database().await.unwrap(), lab.database().await.unwrap());
    assert_ne!(one.name, other.name);
    let (one, other) = (lab.vhost().await.unwrap(), lab.vhost().await.unwrap());
    assert_ne!(one.name, other.name);
    let permissions = lab.rabbitmqctl(&["-q", "list_permissions", "-p", &one.name]).await.unwrap();
    assert!(permissions.contains("guest"), "{permissions}");
}

#[tokio::test]
async fn a_broker_comes_back_after_a_kill() {
    let mut broker = Broker::start().await.unwrap();
    broker.ctl(&["add_vhost", "kept"]).await.unwrap();
    let before = broker.pid();
    broker.kill9();
    assert!(broker.process().exited().is_some());
    broker.restart().await.unwrap();
    assert_ne!(broker.pid(), before);
    let vhosts = broker.ctl(&["-q", "list_vhosts"]).await.unwrap();
    assert!(vhosts.lines().any(|line| line == "kept"), "{vhosts}");
}

#[tokio::test]
async fn a_database_comes_back_after_a_kill() {
    let mut server = DatabaseServer::start().await.unwrap();
    assert_eq!(server.admin("show fsync").await.unwrap(), "on");
    server.admin("create table kept (n int)").await.unwrap();
    server.kill9();
    server.restart().await.unwrap();
    assert_eq!(server.admin("select count(*) from kept").await.unwrap(), "0");
}

#[tokio::test]
async fn a_stopped_server_goes_on() {
    let server = DatabaseServer::start().await.unwrap();
    server.process().signal(Signal::Stop).unwrap();
    let state = async |wanted: &str| {
        let path = format!("/proc/{}/stat", server.pid());
        wait::until("its state", SOON, async || {
            let stat = std::fs::read_to_string(&path).ok()?;
            stat.contains(wanted).then_some(())
        })
        .await
    };
    state(") T ").await.unwrap();
    server.process().cont().unwrap();
    assert_eq!(server.admin("select 1").await.unwrap(), "1");
}
