//! Processes from their start to their end: servers that are away, schemas of another version,
//! wrong definitions, and the two requests to end.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use lab::{Binary, Broker, DatabaseServer, Lab, Member, free_port, wait};
use reqwest::StatusCode;
use saga_tests::{World, check, definitions, order};
use serde_json::{Value, json};
use sqlx::PgPool;

/// Servers and processes come back within seconds; this allows for a busy machine.
const SOON: Duration = Duration::from_secs(90);

/// An orchestrator with its settings, on servers that may be away.
struct Ground {
    folder: PathBuf,
    url: String,
    serve: Binary,
}

impl Ground {
    fn new(amqp_url: &str, database_url: &str) -> Result<Self> {
        let port = free_port()?;
        let folder = definitions(&Lab::from_env()?.logs().join(format!("defs-{port}")))?;
        let serve = Binary::new("saga")
            .arg("serve")
            .env("AMQP_URL", amqp_url)
            .env("DATABASE_URL", database_url)
            .env("SAGA_LISTEN", format!("127.0.0.1:{port}"))
            .env("SAGA_DEFS", &folder);
        Ok(Self { folder, url: format!("http://127.0.0.1:{port}"), serve })
    }

    /// The status of a path; 0 when nobody answers.
    async fn status(&self, path: &str) -> u16 {
        let answer = reqwest::get(format!("{}{path}", self.url)).await;
        answer.map_or(0, |answer| answer.status().as_u16())
    }

    async fn until(&self, path: &str, status: u16) -> Result<()> {
        let what = format!("`{path}` to answer {status}");
        wait::until(&what, SOON, async || (self.status(path).await == status).then_some(())).await
    }

    async fn place(&self, key: &str, wait: &str) -> Result<(StatusCode, Value)> {
        let request = reqwest::Client::new().post(format!("{}/orders", self.url));
        let request = request.header("prefer", wait).json(&order(key));
        let answer = request.send().await?;
        Ok((answer.status(), answer.json().await?))
    }
}

/// Runs a command that must end by itself; its exit status and all that it said.
async fn ended(command: &Binary) -> Result<(Option<i32>, String)> {
    let process = command.spawn()?;
    let status = process.wait(SOON).await?;
    Ok((status.code(), fs::read_to_string(process.log())?))
}

#[tokio::test]
async fn everybody_waits_for_servers_that_are_away() -> Result<()> {
    let (mut broker, mut database) = tokio::try_join!(Broker::start(), DatabaseServer::start())?;
    let (amqp_url, database_url) = (broker.url("%2f"), database.url("postgres"));
    let ground = Ground::new(&amqp_url, &database_url)?;
    broker.kill9();
    database.kill9();

    let participant = |name| {
        let binary = Binary::new(name).env("AMQP_URL", &amqp_url);
        Member::start(binary.env("DATABASE_URL", &database_url))
    };
    let members = [
        Member::start(ground.serve.clone().arg("--migrate"))?,
        participant("payment")?,
        participant("inventory")?,
        participant("shipping")?,
    ];
    ground.until("/healthz", 200).await?;
    assert_eq!(ground.status("/readyz").await, 503);
    database.restart().await?;
    assert_eq!(ground.status("/readyz").await, 503, "there is no broker");
    broker.restart().await?;
    ground.until("/readyz", 200).await?;
    let (status, saga) = ground.place("o-1", "wait=60").await?;
    assert_eq!((status, &saga["status"]), (StatusCode::CREATED, &json!("completed")));

    // The same when they go away later.
    broker.sync().await?;
    broker.kill9();
    ground.until("/readyz", 503).await?;
    let (status, _) = ground.place("o-2", "wait=0").await?;
    assert_eq!(status, StatusCode::ACCEPTED, "it is durable, and goes on when the broker is back");
    database.kill9();
    let (status, problem) = ground.place("o-3", "wait=0").await?;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert_eq!(problem["code"], "unavailable");
    tokio::try_join!(broker.restart(), database.restart())?;
    ground.until("/readyz", 200).await?;
    for key in ["o-2", "o-3", "o-4"] {
        let (status, saga) = ground.place(key, "wait=60").await?;
        assert!(status.is_success() && saga["status"] == "completed", "{key}: {status} {saga}");
    }
    assert!(members.iter().all(Member::is_alive));
    let db = PgPool::connect(&database_url).await?;
    check(&db).await?;
    Ok(())
}

#[tokio::test]
async fn a_schema_of_another_version_is_refused_with_the_way_out() -> Result<()> {
    let lab = Lab::from_env()?;
    let (vhost, database) = (lab.vhost().await?, lab.database().await?);
    let ground = Ground::new(&vhost.url, &database.url)?;
    let (older, said) = ended(&ground.serve).await?;
    assert_eq!(older, Some(1), "{said}");
    assert!(said.contains("saga migrate"), "{said}");

    let migrate = || Binary::new("saga").arg("migrate").env("DATABASE_URL", &database.url);
    for _ in 0..2 {
        let (migrated, said) = ended(&migrate()).await?;
        assert_eq!(migrated, Some(0), "{said}");
    }
    let db = PgPool::connect(&database.url).await?;
    let newer = "insert into saga.schema_version
            (version, description, success, checksum, execution_time)
        values (999999, 'of the future', true, '', 0)";
    sqlx::query(newer).execute(&db).await?;
    for refused in [ground.serve.clone(), ground.serve.clone().arg("--migrate"), migrate()] {
        let (newer, said) = ended(&refused).await?;
        assert_eq!(newer, Some(1), "{said}");
        assert!(said.contains("newer"), "{said}");
    }
    let intact = "select count(*) from saga.saga";
    assert_eq!(sqlx::query_scalar::<_, i64>(intact).fetch_one(&db).await?, 0);
    Ok(())
}

#[tokio::test]
async fn wrong_definitions_are_refused_with_file_line_and_column() -> Result<()> {
    // Nothing is connected to before the definitions are right.
    let ground = Ground::new("amqp://127.0.0.1:1", "postgres://127.0.0.1:1/none")?;
    let text = fs::read_to_string(ground.folder.join("order.yaml"))?;
    let wrong = text.replacen("    compensation: release\n", "    compenstion: release\n", 1);
    ensure!(wrong != text, "the definition has changed");
    let (line, _) = wrong
        .lines()
        .enumerate()
        .find(|(_, line)| line.contains("compenstion"))
        .context("it is there")?;
    fs::write(ground.folder.join("order.yaml"), wrong)?;

    let place = format!("order.yaml:{}:5", line + 1);
    let folder = ground.folder.display().to_string();
    for refused in [ground.serve.clone(), Binary::new("saga").args(["check", &folder])] {
        let (code, said) = ended(&refused).await?;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&place), "no `{place}` in {said}");
        assert!(said.contains("compenstion") && said.contains("`compensation`"), "{said}");
    }
    definitions(&ground.folder)?;
    let (right, said) = ended(&Binary::new("saga").args(["check", &folder])).await?;
    assert_eq!(right, Some(0), "{said}");
    fs::remove_dir_all(&ground.folder)?;
    fs::create_dir(&ground.folder)?;
    let (empty, said) = ended(&ground.serve).await?;
    assert_ne!(empty, Some(0), "{said}");
    assert!(said.contains("--defs"), "{said}");
    Ok(())
}

#[tokio::test]
async fn told_to_end_it_finishes_what_it_has_begun() -> Result<()> {
    let mut world = World::start().await?;
    world.system.shipping.process().stop()?;
    let id = world.begin("/orders", &order("o-1")).await?;
    world.until_step(&id, "shipping", "running").await?;
    // Whoever waits is answered with the saga as it is, not cut off.
    let body = order("o-2");
    let waiting = world.post("/orders", &[("prefer", "wait=60")], &body);
    let terminated = async {
        let begun = async || {
            let sagas = world.count("select count(*) from saga.saga").await.ok()?;
            (sagas == 2).then_some(())
        };
        wait::until("the second order", SOON, begun).await?;
        world.system.orchestrator.process().term()?;
        world.system.orchestrator.process().wait(SOON).await
    };
    let (answer, status) = tokio::join!(waiting, terminated);
    assert_eq!(status?.code(), Some(0));
    assert_eq!(answer?.status, StatusCode::ACCEPTED);

    world.system.shipping.process().cont()?;
    world.system.orchestrator.restart()?;
    world.system.ready().await?;
    assert_eq!(world.get("/orders/o-1").await?.body["id"], json!(id));
    world.until_status(&id, "completed").await?;
    assert_eq!(world.place("/orders", &body).await?["status"], "completed");
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn told_twice_it_ends_at_once() -> Result<()> {
    let world = World::start().await?;
    // Nothing can be finished: the database does not answer a lock, and the order waits for it.
    let mut lock = world.db.begin().await?;
    sqlx::query("lock table saga.saga in access exclusive mode").execute(&mut *lock).await?;
    let body = order("o-1");
    let stuck = world.post("/orders", &[], &body);
    let process = world.system.orchestrator.process();
    let ended = async {
        let waits = "select count(*) from pg_locks where not granted";
        let blocked = async || (world.count(waits).await.ok()? > 0).then_some(());
        wait::until("the order to wait for the lock", SOON, blocked).await?;
        process.term()?;
        let said = |text| fs::read_to_string(process.log()).is_ok_and(|log| log.contains(text));
        let heard = async || said("once more ends at once").then_some(());
        wait::until("the first request to be heard", SOON, heard).await?;
        process.term()?;
        process.wait(SOON).await?;
        anyhow::Ok(said("ending at once") && !said(r#""message":"ended""#))
    };
    let (answer, at_once) = tokio::join!(stuck, ended);
    assert!(at_once?, "nothing was finished first");
    assert!(!answer.is_ok_and(|answer| answer.status.is_success()), "it was not durable");
    lock.rollback().await?;
    Ok(())
}
