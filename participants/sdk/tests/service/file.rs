//! What only a database in a file can be asked: whether a kill leaves it whole, and whether those
//! who share it wait for each other.

use std::{
    fs,
    future::pending,
    path::{Path, PathBuf},
    sync::Arc,
};

use lab::wait;
use saga_participant::{
    Answer, Command, Context, Error, Outcome, Participant, Service, Tx,
    testing::{self, action, brief, serve},
};
use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::task::JoinSet;

use crate::{ground, support::PATIENCE};
use Outcome::Completed;

const SCHEMA: &str = "create table sale (saga_id uuid primary key, goods text not null)";
/// What SQLite keeps in memory of a transaction, at most: with more it writes before the commit.
const SPILLED_BYTES: u64 = 4 << 20;
/// Processes on one file, and what each sells.
const REPLICAS: usize = 4;
const SALES: usize = 25;

fn shop() -> Participant {
    Participant::new("shop").action("sell", sell).action("sell_for_ever", hang).schema(SCHEMA)
}

async fn sell(tx: &mut Tx, _: Value, context: &Context) -> Result<Value, Error> {
    let sql = "insert into sale (saga_id, goods) values ($1, 'a lamp')";
    tx.execute(sql, &[&context.saga_id]).await?;
    Ok(json!({ "receipt": uuid::Uuid::now_v7() }))
}

/// Writes a lot, and is never done.
async fn hang(tx: &mut Tx, _: Value, context: &Context) -> Result<(), Error> {
    let sql = "insert into sale (saga_id, goods) values ($1, hex(zeroblob($2)))";
    let bytes = i64::try_from(SPILLED_BYTES).map_err(anyhow::Error::from)?;
    tx.execute(sql, &[&context.saga_id, &bytes]).await?;
    pending().await
}

fn sale() -> Command {
    action("shop", "sell", &json!({}))
}

async fn count(service: &Service, sql: &'static str) -> i64 {
    testing::run(service, sql, &[]).await[0].get("found").unwrap()
}

/// How many sales were made, and how many rows the barrier has.
async fn sales_and_rows(service: &Service) -> (i64, i64) {
    let sales = count(service, "select count(*) as found from sale").await;
    (sales, count(service, "select count(*) as found from barrier").await)
}

/// The log that is written before the file is.
fn log(path: &Path) -> PathBuf {
    path.with_extension("db-wal")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_nothing_is_half_done() {
    let ground = ground::sqlite();
    let path = Path::new(ground.url.strip_prefix("sqlite:").unwrap());
    let service = Arc::new(shop().connect(&ground.url).await.unwrap());
    let first = sale();
    let answer = service.handle(&first).await;

    let working = tokio::spawn({
        let service = Arc::clone(&service);
        async move { service.handle(&action("shop", "sell_for_ever", &())).await }
    });
    let spilled = wait::until("half of it to be written", PATIENCE, async || {
        fs::metadata(log(path)).ok().filter(|log| log.len() > SPILLED_BYTES)
    });
    spilled.await.unwrap();
    // What a kill leaves now: the files, and nothing of what is in memory.
    let left = path.with_file_name("left.db");
    fs::copy(path, &left).unwrap();
    fs::copy(log(path), log(&left)).unwrap();

    // Whoever waits for it goes away: the connection is given up, with all that was begun.
    working.abort();
    assert!(working.await.unwrap_err().is_cancelled());
    assert_eq!(sales_and_rows(&service).await, (1, 1));
    assert_eq!(brief(&serve(&service, &sale()).await), (Completed, ""));
    assert_eq!(sales_and_rows(&service).await, (2, 2));

    let reopened = shop().connect(&format!("sqlite:{}", left.display())).await.unwrap();
    assert_eq!(sales_and_rows(&reopened).await, (1, 1));
    assert_eq!(reopened.handle(&first).await, answer, "what was answered is there");
    assert_eq!(brief(&serve(&reopened, &sale()).await), (Completed, ""));
}

/// Each has a connection of its own, as a process has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn those_on_one_file_wait_for_each_other() {
    let ground = ground::sqlite();
    let mut selling = JoinSet::new();
    for _ in 0..REPLICAS {
        let url = ground.url.clone();
        selling.spawn(async move {
            let service = shop().connect(&url).await.unwrap();
            let mut answers = Vec::new();
            for _ in 0..SALES {
                answers.push(brief(&serve(&service, &sale()).await).0);
            }
            answers
        });
    }
    for answers in selling.join_all().await {
        assert_eq!(answers, [Completed; SALES]);
    }
    let auditor = Arc::new(shop().connect(&ground.url).await.unwrap());
    let all = i64::try_from(REPLICAS * SALES).unwrap();
    assert_eq!(sales_and_rows(&auditor).await, (all, all));

    // Who does not get the file at once is patient. Meanwhile there is time to give up many times.
    let mut holder = SqliteConnection::connect(&ground.url).await.unwrap();
    holder.execute("begin immediate").await.unwrap();
    let waiting = tokio::spawn({
        let service = Arc::clone(&auditor);
        async move { serve(&service, &sale()).await }
    });
    let other = ground::sqlite();
    let elsewhere = shop().connect(&other.url).await.unwrap();
    for _ in 0..SALES {
        assert_eq!(brief(&serve(&elsewhere, &sale()).await), (Completed, ""));
    }
    holder.execute("rollback").await.unwrap();
    assert_eq!(brief(&waiting.await.unwrap()), (Completed, ""));
}

#[tokio::test]
async fn what_is_no_database_is_told() {
    let ground = ground::sqlite();
    let path = Path::new(ground.url.strip_prefix("sqlite:").unwrap());
    let nowhere = format!("sqlite:{}", path.with_file_name("no/such.db").display());
    let text = path.with_file_name("text.db");
    fs::write(&text, "no database, but a text that is long enough to be taken for one".repeat(99))
        .unwrap();
    let text = format!("sqlite:{}", text.display());
    for (url, said) in [
        ("mysql://user:secret@host/database", "`postgres://user:password@host:port/database`, or"),
        ("participant.db", "or `sqlite:path` for a file"),
        ("sqlite::memory:", "names no file"),
        ("sqlite://", "names no file"),
        ("sqlite:participant.db?mode=rwc", "takes no options"),
        (nowhere.as_str(), "there is no folder `"),
        (text.as_str(), "file is not a database"),
    ] {
        let Err(error) = shop().connect(url).await else { panic!("{url}") };
        let error = format!("{error:#}");
        assert!(error.contains(said) && !error.contains("secret"), "{error}");
    }
    let slashes = format!("sqlite://{}", path.display());
    let service = shop().connect(&slashes).await.unwrap();
    assert!(matches!(service.handle(&sale()).await, Answer::Reply(_)));
    assert!(path.is_file(), "made where it was missing");
}
