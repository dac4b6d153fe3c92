//! The database is away: ended, killed, restarted, made read-only.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::{DatabaseServer, Shutdown, Who, wait};
use reqwest::Method;
use saga_tests::{Load, World, check, check_promised, order};

use crate::support::{SOON, answered, cpu_seconds, lines, until_ended, until_refused, until_taken};

/// Enough that each fault meets work and is followed by some.
const ORDERS: usize = 350;
/// How long nobody may be busy: longer than all delays between attempts.
const QUIET: Duration = Duration::from_secs(4);
/// What a process may use of a processor meanwhile; it tries to connect every two seconds or so,
/// for each of the loops that wait. One loop that spins uses all of one.
const QUIET_CPU: f64 = 0.25;
/// Lines that it may log meanwhile: a few a second from each loop that waits.
const QUIET_LINES: usize = 60;

/// What befalls it, from the gentle to the brutal.
const FAULTS: [Fault; 7] = [
    Fault::Sessions,
    Fault::ReadOnly,
    Fault::Stalled,
    Fault::Fast,
    Fault::Immediate,
    Fault::Postmaster,
    Fault::Backend,
];

/// What befalls the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// An administrator ends all sessions.
    Sessions,
    /// It takes no writes for a while, as a primary that has become a standby.
    ReadOnly,
    /// It stands still, and says nothing to anybody.
    Stalled,
    /// It is restarted in order.
    Fast,
    /// It is restarted as after a crash.
    Immediate,
    /// It is killed whole, and started again.
    Postmaster,
    /// One of its processes is killed, and it cuts everybody off.
    Backend,
}

impl Fault {
    /// Breaks it, looks at how starts are answered meanwhile, and mends it.
    async fn befall(self, server: &mut DatabaseServer, world: &World) -> Result<()> {
        match self {
            Self::Sessions => {
                ensure!(server.terminate_sessions().await? > 0, "nobody had a session");
            }
            Self::Backend => server.kill_session().await?,
            Self::ReadOnly => {
                server.read_only(true).await?;
                until_refused(world).await?;
                server.read_only(false).await?;
            }
            Self::Stalled => {
                server.stop()?;
                until_refused(world).await?;
                let asked = Instant::now();
                answered(&world.get("/v1/sagas").await?, asked)?;
                server.cont()?;
            }
            Self::Fast => server.shut_down(Shutdown::Fast).await?,
            Self::Immediate => server.shut_down(Shutdown::Immediate).await?,
            Self::Postmaster => server.kill9(),
        }
        if matches!(self, Self::Fast | Self::Immediate | Self::Postmaster) {
            until_refused(world).await?;
            server.restart().await?;
        }
        until_taken(world).await
    }
}

#[tokio::test]
async fn orders_survive_every_end_of_the_database() -> Result<()> {
    let mut server = DatabaseServer::shared().await?;
    let world = World::builder().on_database(&server)?.start().await?;
    let load = Load::new(&world.system.url, ORDERS);
    let faults = async {
        for (number, fault) in FAULTS.into_iter().enumerate() {
            let moment = ORDERS * (number + 1) / (FAULTS.len() + 2);
            let what = format!("{moment} orders to end before {fault:?}");
            wait::until(&what, SOON, async || (load.ended() >= moment).then_some(())).await?;
            fault.befall(&mut server, &world).await.with_context(|| format!("{fault:?}"))?;
        }
        Ok(())
    };
    let (placed, ()) = tokio::try_join!(load.run(), faults)?;
    assert_eq!(placed.len(), ORDERS);
    until_ended(&world).await?;
    check_promised(&world.db, &load.promised()).await?;
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn nobody_is_busy_while_the_database_is_away() -> Result<()> {
    let mut server = DatabaseServer::shared().await?;
    let world = World::builder().on_database(&server)?.start().await?;
    world.system.shipping.stop()?;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(world.begin("/orders", &order(&format!("quiet-{number}"))).await?);
    }
    for id in &ids {
        world.until_step(id, "shipping", "running").await?;
    }
    server.shut_down(Shutdown::Fast).await?;
    // Its commands meet a database that is away, and replies that need one come back.
    world.system.shipping.cont()?;
    until_refused(&world).await?;

    let (orchestrator, payment) = (Who::Orchestrator(0), Who::Participant("payment", 0));
    let watched = [orchestrator, payment, Who::Participant("shipping", 0)];
    let mut before = Vec::new();
    for who in watched {
        let member = world.system.member(who).context("it was started")?;
        before.push((member, cpu_seconds(member)?, lines(member, "")?));
    }
    // Nothing is to be waited for: that nothing happens is what is looked at.
    tokio::time::sleep(QUIET).await;
    for (member, cpu, logged) in before {
        let (cpu, logged) = (cpu_seconds(member)? - cpu, lines(member, "")? - logged);
        let name = member.name();
        assert!(cpu <= QUIET.as_secs_f64() * QUIET_CPU, "{name} used {cpu} s of a processor");
        assert!(logged <= QUIET_LINES, "{name} logged {logged} lines");
    }
    for (method, path) in [
        (Method::GET, format!("/v1/sagas/{}", ids[0])),
        (Method::GET, "/v1/sagas".to_owned()),
        (Method::GET, "/v1/timers".to_owned()),
        (Method::GET, "/readyz".to_owned()),
        (Method::POST, format!("/v1/sagas/{}/cancel", ids[0])),
    ] {
        let asked = Instant::now();
        let json = [("content-type", "application/json")];
        let answer = world.send(method, &path, &json, r#"{"reason":"it is tried"}"#).await?;
        ensure!(!answer.status.is_success(), "{path}: {answer:?}");
        answered(&answer, asked).context(path)?;
    }

    server.restart().await?;
    for id in &ids {
        let ended = |saga: &serde_json::Value| saga["finished_at"].is_string();
        let saga = world.until(id, "its end", ended).await?;
        assert!(saga["steps"][2]["attempts"].as_u64() <= Some(2), "{saga:#}");
    }
    until_ended(&world).await?;
    check(&world.db).await?;
    Ok(())
}
