//! What SQLite alone can be asked: that a file outlives whoever is killed with it, that nothing is
//! left open, that the file is guarded.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use saga_protocol::SagaId;
use saga_store::{Claim, Claimed, Error, Sqlite, Started, Store, Unusable, Verdict};
use sqlx::{
    AssertSqlSafe, Connection, Executor, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode},
};

use crate::support::{change, create, created, in_time, row, start_at, state, update_to, versions};

/// A store in a folder of its own, which goes with it.
pub(crate) struct Ground {
    pub(crate) store: Arc<Sqlite>,
    folder: PathBuf,
}

pub(crate) async fn ground() -> Ground {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("saga-store-{}-{n}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let store = Arc::new(Sqlite::open(&folder.join("saga.db")).await.unwrap());
    Ground { store, folder }
}

impl Ground {
    fn file(&self) -> PathBuf {
        self.folder.join("saga.db")
    }

    /// A connection behind the store's back.
    async fn sql(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new()
            .filename(self.file())
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        SqliteConnection::connect_with(&options).await.unwrap()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

async fn step(store: &Sqlite, id: SagaId) -> Result<(), Error> {
    change(store, [id], |claimed| Verdict {
        updates: claimed.rows.iter().map(|row| update_to(row, "running", claimed.now)).collect(),
        ..Verdict::default()
    })
    .await
}

/// The log is copied while the store is at work, as a crash leaves it, and opened elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_confirmed_is_there_after_a_crash() {
    let ground = ground().await;
    let id = created(&*ground.store).await;
    for version in 2..=20 {
        step(&ground.store, id).await.unwrap();
        let crashed = ground.folder.join(format!("crashed-{version}"));
        std::fs::create_dir(&crashed).unwrap();
        for file in ["saga.db", "saga.db-wal"] {
            std::fs::copy(ground.folder.join(file), crashed.join(file)).unwrap();
        }
        let reopened = Sqlite::open(&crashed.join("saga.db")).await.unwrap();
        assert_eq!(row(&reopened, id).await.version, version);
        assert_eq!(versions(&reopened, id).await, (1..=version).collect::<Vec<_>>());
        step(&reopened, id).await.unwrap();
        reopened.close().await;
    }
}

/// Half a log is a crash in the middle of a transaction: all of it is there, or nothing.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_half_written_is_not_there() {
    let ground = ground().await;
    let now = ground.store.now().await.unwrap();
    let ids: Vec<_> = (0..50).map(|_| start_at(now)).collect();
    create(&*ground.store, &ids).await;
    let ids: Vec<_> = ids.iter().map(|start| start.id).collect();
    let log = std::fs::read(ground.folder.join("saga.db-wal")).unwrap();
    let file = std::fs::read(ground.file()).unwrap();
    let mut seen = [false; 2];
    for part in 0..=20 {
        let crashed = ground.folder.join(format!("crashed-{part}"));
        std::fs::create_dir(&crashed).unwrap();
        std::fs::write(crashed.join("saga.db"), &file).unwrap();
        std::fs::write(crashed.join("saga.db-wal"), &log[..log.len() * part / 20]).unwrap();
        let reopened = Sqlite::open(&crashed.join("saga.db")).await.unwrap();
        let found = reopened.get(&ids).await.unwrap().len();
        assert!(found == 0 || found == ids.len(), "{found} of {} sagas", ids.len());
        seen[usize::from(found > 0)] = true;
        reopened.close().await;
    }
    assert_eq!(seen, [true, true], "the log was never cut before, or never behind the commit");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_go_away_leave_nothing_open() {
    let ground = ground().await;
    let store = &ground.store;
    let id = created(&**store).await;
    for n in 0..300_u64 {
        let begun = store.now().await.unwrap();
        let cut = Duration::from_micros(n * 13 % 3_000);
        let mut decide = |claimed: Claimed| {
            let to = |row| update_to(row, "running", claimed.now);
            Verdict { updates: claimed.rows.iter().map(to).collect(), ..Verdict::default() }
        };
        let claim = Claim::Sagas(vec![id]);
        let _ = tokio::time::timeout(cut, store.transact(claim, &mut decide)).await;
        let _ = tokio::time::timeout(cut, store.start(vec![start_at(begun)])).await;
    }
    // Whoever comes next is locked out by none of them.
    in_time("the next change", async {
        while let Err(error) = step(store, id).await {
            assert!(matches!(error, Error::Conflict(_)), "{error}");
        }
    })
    .await;
    let version = row(&**store, id).await.version;
    assert!(version > 2, "none of the changes came through");
    assert_eq!(versions(&**store, id).await, (1..=version).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_writes_the_file_from_outside_delays_but_does_not_stop() {
    let ground = ground().await;
    let start = start_at(ground.store.now().await.unwrap());
    let mut shell = ground.sql().await;
    shell.execute("begin immediate").await.unwrap();
    let waited = ground.store.start(vec![start.clone()]).await;
    assert!(matches!(waited, Err(Error::Transient(_))), "{waited:?}");
    assert!(matches!(ground.store.now().await, Err(Error::Transient(_))), "it cannot write");
    assert!(ground.store.get(&[start.id]).await.unwrap().is_empty(), "it reads all the time");
    shell.execute("rollback").await.unwrap();
    create(&*ground.store, &[start]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_somebody_else_is_refused_with_the_way_out() {
    let ground = ground().await;
    ground.store.close().await;
    let refused = async || match Sqlite::open(&ground.file()).await {
        Ok(_) => panic!("it was opened"),
        Err(unusable) => unusable,
    };
    let mut sql = ground.sql().await;
    sql.execute("pragma user_version = 99").await.unwrap();
    assert!(matches!(refused().await, Unusable::Newer { found: 99, .. }));
    sql.execute("pragma user_version = 1; pragma application_id = 7").await.unwrap();
    assert!(matches!(refused().await, Unusable::Foreign { .. }));
    sql.close().await.unwrap();
    for file in std::fs::read_dir(&ground.folder).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    std::fs::write(ground.file(), "all work and no play makes a text ".repeat(99)).unwrap();
    let refused = refused().await.to_string();
    assert!(refused.contains("saga.db") && refused.contains("not a database"), "{refused}");
}

/// What is written to it would be gone with the process, and nobody would know.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_confirmed_in_a_file_that_was_removed() {
    let ground = ground().await;
    let start = start_at(ground.store.now().await.unwrap());
    let aside = ground.folder.join("aside.db");
    std::fs::rename(ground.file(), &aside).unwrap();
    let lost = ground.store.start(vec![start.clone()]).await;
    assert!(matches!(&lost, Err(Error::Transient(why)) if why.contains("removed")), "{lost:?}");
    assert!(matches!(ground.store.now().await, Err(Error::Transient(_))), "it is not ready");
    std::fs::rename(aside, ground.file()).unwrap();
    create(&*ground.store, &[start]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_refuses_what_must_never_be() {
    let ground = ground().await;
    created(&*ground.store).await;
    let mut sql = ground.sql().await;
    for change in [
        "wake_at = null",
        "status = 'completed'",
        "status = 'completed', finished_at = 1",
        "finished_at = 1",
        "status = 'failed'",
        "version = 0",
        "value_currency = null",
        "wake_at = 'soon'",
    ] {
        let refused = sql.execute(AssertSqlSafe(format!("update saga set {change}"))).await;
        assert!(refused.is_err(), "{change}");
    }
    for change in ["wake_at = null, paused_at = 1", "wake_at = null, status = 'stuck'"] {
        let sql = sql.execute(AssertSqlSafe(format!("update saga set {change}"))).await;
        sql.unwrap();
    }
}

/// What keeps it fast when most of what it holds is history: SQLite uses a partial index only where
/// a query says the very condition.
#[tokio::test(flavor = "multi_thread")]
async fn each_index_serves_what_it_is_for() {
    let ground = ground().await;
    let mut sql = ground.sql().await;
    for (condition, index) in [
        ("wake_at <= 1 order by wake_at, id limit 9", "saga_wake_at"),
        ("status in ('running', 'compensating', 'stuck') and id > ''", "saga_unended"),
        (
            "key = 'k' and definition = 'd'
            and status in ('running', 'compensating', 'stuck', 'completed')",
            "saga_holding_key",
        ),
        (
            "key = 'k' and definition = 'd'
            and status in ('compensated', 'partly_compensated', 'abandoned')",
            "saga_freed_key",
        ),
        ("id in (select value from json_each('[]'))", "autoindex_saga"),
    ] {
        let explain =
            AssertSqlSafe(format!("explain query plan select * from saga where {condition}"));
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(explain).fetch_all(&mut sql).await.unwrap();
        let plan: Vec<_> = plan.into_iter().map(|row| row.3).collect();
        assert!(plan.iter().any(|line| line.contains(index)), "{condition}: {plan:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_can_read_it() {
    let ground = ground().await;
    let store = &*ground.store;
    let mut sql = ground.sql().await;
    let mut start = start_at(store.now().await.unwrap());
    start.first.state = state("compensating");
    assert!(matches!(store.start(vec![start.clone()]).await.unwrap()[..], [Started::Created]));
    let step: (String, String, i64) = sqlx::query_as("select saga_id, status, attempts from step")
        .fetch_one(&mut sql)
        .await
        .unwrap();
    assert_eq!(step, (start.id.to_string(), "compensating".to_owned(), 1));
}
