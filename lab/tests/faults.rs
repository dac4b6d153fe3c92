//! Servers of a test's own break in every way that is asked of them, and are whole again for the
//! next test.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::{Broker, DatabaseServer, Lab, Queues, Shutdown, wait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// What is waited for happens at once, unless the machine is busy.
const SOON: Duration = Duration::from_secs(30);
/// What must not come is waited for so long.
const NOTHING: Duration = Duration::from_millis(200);
/// Postgres's greeting of a client: protocol 3.0, the parameter `user`.
const STARTUP: &[u8] = b"\x00\x00\x00\x17\x00\x03\x00\x00user\x00postgres\x00\x00";
/// The query `select 1`.
const QUERY: &[u8] = b"Q\x00\x00\x00\x0dselect 1\x00";

/// A session that is ready for queries.
async fn session(server: &DatabaseServer) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).await?;
    stream.write_all(STARTUP).await?;
    answered(&mut stream).await?;
    Ok(stream)
}

/// Reads until the server is ready for a query.
async fn answered(stream: &mut TcpStream) -> Result<()> {
    let mut said = Vec::new();
    // The last message of an answer: `Z`, its length, and that there is no transaction.
    while !said.ends_with(b"Z\x00\x00\x00\x05I") {
        ensure!(timeout(SOON, stream.read_buf(&mut said)).await?? > 0, "{said:?}");
    }
    Ok(())
}

/// Reads until the server ends the session.
async fn is_ended(stream: &mut TcpStream) -> Result<()> {
    // A reset is an end as well.
    timeout(SOON, stream.read_to_end(&mut Vec::new())).await?.ok();
    Ok(())
}

#[tokio::test]
async fn sessions_are_ended_and_killed() -> Result<()> {
    let server = DatabaseServer::shared().await?;
    let (mut one, mut two) = (session(&server).await?, session(&server).await?);
    assert_eq!(server.terminate_sessions().await?, 2);
    is_ended(&mut one).await?;
    is_ended(&mut two).await?;

    assert!(server.kill_session().await.is_err(), "nobody is there");
    let (mut one, mut two) = (session(&server).await?, session(&server).await?);
    server.kill_session().await?;
    is_ended(&mut one).await?;
    is_ended(&mut two).await?;
    server.ready().await?;
    let log = std::fs::read_to_string(server.process().log())?;
    assert!(log.contains("was terminated by signal 9"), "{log}");
    Ok(())
}

#[tokio::test]
async fn a_database_stands_still_with_its_sessions() -> Result<()> {
    let server = DatabaseServer::shared().await?;
    let mut stream = session(&server).await?;
    server.stop()?;
    stream.write_all(QUERY).await?;
    assert!(timeout(NOTHING, answered(&mut stream)).await.is_err());
    server.cont()?;
    answered(&mut stream).await?;
    // The next test gets it whole.
    server.stop()?;
    drop(server);
    let server = DatabaseServer::shared().await?;
    assert_eq!(server.admin("select 1").await?, "1");
    Ok(())
}

#[tokio::test]
async fn a_database_only_reads() -> Result<()> {
    let server = DatabaseServer::shared().await?;
    server.read_only(true).await?;
    let refused = server.admin("create table no (n int)").await.expect_err("it only reads");
    assert!(refused.to_string().contains("read-only"), "{refused}");
    drop(server);
    let server = DatabaseServer::shared().await?;
    server.admin("create table yes (n int)").await?;
    Ok(())
}

#[tokio::test]
async fn a_database_is_shut_down_and_comes_back() -> Result<()> {
    let mut server = DatabaseServer::shared().await?;
    server.admin("create table kept (n int)").await?;
    for (how, says) in [
        (Shutdown::Fast, "received fast shutdown request"),
        (Shutdown::Immediate, "received immediate shutdown request"),
    ] {
        let mut stream = session(&server).await?;
        server.shut_down(how).await?;
        is_ended(&mut stream).await?;
        let log = std::fs::read_to_string(server.process().log())?;
        assert!(log.contains(says), "{log}");
        server.restart().await?;
        assert_eq!(server.admin("select count(*) from kept").await?, "0");
    }
    server.stop()?;
    server.kill9();
    drop(server);
    let server = DatabaseServer::shared().await?;
    assert_eq!(server.admin("select count(*) from kept").await?, "0");
    Ok(())
}

#[tokio::test]
async fn a_disk_is_full() -> Result<()> {
    let Some(mut server) = DatabaseServer::start_on_small_disk().await? else {
        return Ok(());
    };
    let grow = "insert into kept select repeat(md5(n::text), 30) from generate_series(1, 20000) n";
    server.admin("create table kept (text text)").await?;
    server.admin("insert into kept values ('first')").await?;
    server.fill_disk()?;
    let full = server.admin(grow).await.expect_err("there is no room");
    let log = std::fs::read_to_string(server.process().log())?;
    assert!(log.contains("No space left on device"), "{full}: {log}");
    server.heal().await?;
    server.restart().await?;
    assert_eq!(server.admin("select text from kept").await?, "first");
    server.admin(grow).await?;
    Ok(())
}

/// Has a broker make a queue, as the lab speaks no AMQP.
async fn declare(broker: &Broker, vhost: &str, queue: &str) -> Result<()> {
    let name = format!("rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"{queue}\">>)");
    let declare = format!(
        "rabbit_amqqueue:declare({name}, true, false, \
         [{{<<\"x-queue-type\">>, longstr, <<\"quorum\">>}}], none, <<\"test\">>), ok."
    );
    broker.ctl(&["eval", &declare]).await.map(|_| ())
}

async fn names(queues: &Queues) -> Result<Vec<String>> {
    let mut names = queues.names().await?;
    names.sort_unstable();
    Ok(names)
}

#[tokio::test]
async fn queues_are_deleted_emptied_and_limited() -> Result<()> {
    let broker = Broker::shared().await?;
    let lab = Lab::from_env()?.with_broker(&broker);
    let (vhost, other) = (lab.vhost().await?, lab.vhost().await?);
    assert!(vhost.url.contains(&format!(":{}/", broker.port())), "{}", vhost.url);
    for queue in ["one", "two", "three"] {
        declare(&broker, &vhost.name, queue).await?;
    }
    declare(&broker, &other.name, "spared").await?;
    let queues = lab.queues(&vhost.name);
    assert_eq!(names(&queues).await?, ["one", "three", "two"]);
    queues.purge("two").await?;
    queues.delete("two").await?;
    queues.delete("two").await.expect_err("it is gone");
    queues.limit("^one$", 7).await?;
    let policies = ["-q", "list_policies", "-p", &vhost.name];
    let listed = broker.ctl(&policies).await?;
    assert!(listed.contains(r#"{"max-length":7}"#) && listed.contains("^one$"), "{listed}");
    queues.unlimit().await?;
    assert!(!broker.ctl(&policies).await?.contains("max-length"));
    queues.close_connections().await?;
    queues.delete_all().await?;
    assert!(names(&queues).await?.is_empty());
    assert_eq!(names(&lab.queues(&other.name)).await?, ["spared"]);
    Ok(())
}

#[tokio::test]
async fn a_broker_is_alarmed_stopped_and_shut_down() -> Result<()> {
    let mut broker = Broker::shared().await?;
    broker.memory_alarm(true).await?;
    broker.disk_alarm(true).await?;
    let alarmed = async || broker.is_alarmed().await.is_ok_and(|raised| raised).then_some(());
    wait::until("an alarm", SOON, alarmed).await?;
    broker.stop()?;
    assert!(timeout(NOTHING, broker.ready()).await.is_err());
    drop(broker);

    broker = Broker::shared().await?;
    let calm = async || broker.is_alarmed().await.is_ok_and(|raised| !raised).then_some(());
    wait::until("no alarm", SOON, calm).await?;
    let lab = Lab::from_env()?.with_broker(&broker);
    let vhost = lab.vhost().await?;
    declare(&broker, &vhost.name, "kept").await?;
    broker.shut_down().await;
    assert!(broker.process().exited().context("it has ended")?.success());
    broker.restart().await?;
    assert_eq!(broker.queues(&vhost.name).names().await?, ["kept"]);
    Ok(())
}
