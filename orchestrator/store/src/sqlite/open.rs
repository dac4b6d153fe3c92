//! Opening a file: its connections and its schema.

use std::{os::unix::fs::MetadataExt, path::Path, sync::Arc, time::Duration};

use sqlx::{
    AssertSqlSafe, Executor, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use super::{
    Sqlite,
    clock::Clock,
    transaction::{Transaction, Writer},
};
use crate::{Error, locks::Locks};

/// Connections that read: as many lists and lookups at once. Each is a thread.
const READERS: u32 = 4;
/// How long a caller waits for the one connection that writes, behind all who came before: far more
/// than a transaction takes on a disk that is well.
const ACQUIRE_MAX: Duration = Duration::from_secs(5);
/// How long a statement waits for another process that writes the file, such as somebody's shell.
const BUSY_MAX: Duration = Duration::from_secs(2);
/// What says that a file is one of these stores: `saga` in ASCII.
const APPLICATION: i64 = 0x7361_6761;
/// The schema: its versions, each to be run after the one before. What was once applied is never
/// edited.
const SCHEMA: [&str; 1] = [include_str!("schema.sql")];

/// Why a file cannot be used, with the way out.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// A newer program was here.
    #[error(
        "`{file}` has version {found} of the store, this program knows {known}; run the program \
         that made it, or a newer one, or begin with another file"
    )]
    Newer {
        /// Which file.
        file: String,
        /// The version that it has.
        found: i64,
        /// The version that this program knows.
        known: i64,
    },
    /// It is a database of something else.
    #[error("`{file}` is a database of another program; name another place")]
    Foreign {
        /// Which file.
        file: String,
    },
    /// Anything else, such as a permission that is missing.
    #[error("cannot use `{file}`: {reason}")]
    Failed {
        /// Which file.
        file: String,
        /// Why.
        reason: String,
    },
}

impl Sqlite {
    /// Opens a file, which is made where it is missing, and brings its schema up to date. Whoever
    /// calls this sees to it that no other process does.
    ///
    /// # Errors
    /// [`Unusable`], with the way out.
    pub async fn open(file: &Path) -> Result<Self, Unusable> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // What is confirmed survives a power cut, as on Postgres.
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_MAX);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_MAX)
                // There is no server that could have gone.
                .test_before_acquire(false)
        };
        let writer = pool(1).connect_lazy_with(options.clone());
        let path = file.to_owned();
        let file = file.display().to_string();
        prepare(&writer, &file).await?;
        let failed = |error: std::io::Error| Unusable::Failed {
            file: file.clone(),
            reason: error.to_string(),
        };
        let inode = std::fs::metadata(&path).map_err(failed)?.ino();
        let readers = pool(READERS).connect_lazy_with(options.pragma("query_only", "on"));
        let (locks, clock) = (Locks::default(), Arc::new(Clock::new()));
        Ok(Self { writer: Writer { pool: writer, path, inode }, readers, locks, clock })
    }
}

async fn prepare(writer: &SqlitePool, file: &str) -> Result<(), Unusable> {
    let failed =
        |error: Error| Unusable::Failed { file: file.to_owned(), reason: error.to_string() };
    let mut transaction = Transaction::on(writer).await.map_err(failed)?;
    let migrated = migrate(transaction.connection(), file).await;
    match migrated {
        Ok(()) => transaction.end(Ok(())).await.map_err(failed),
        Err(unusable) => Err(unusable),
    }
}

async fn migrate(connection: &mut SqliteConnection, file: &str) -> Result<(), Unusable> {
    let name = || file.to_owned();
    let failed = |error: sqlx::Error| Unusable::Failed { file: name(), reason: error.to_string() };
    let number = async |connection: &mut SqliteConnection, sql: &'static str| {
        sqlx::query_scalar::<_, i64>(sql).fetch_one(connection).await.map_err(failed)
    };
    let tables = number(connection, "select count(*) from sqlite_schema").await?;
    let application = number(connection, "pragma application_id").await?;
    if tables > 0 && application != APPLICATION {
        return Err(Unusable::Foreign { file: name() });
    }
    let found = number(connection, "pragma user_version").await?;
    let known = i64::try_from(SCHEMA.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(Unusable::Newer { file: name(), found, known });
    }
    for (version, sql) in (1..).zip(SCHEMA).filter(|(version, _)| *version > found) {
        connection.execute(sqlx::raw_sql(sql)).await.map_err(failed)?;
        // A pragma takes no parameters.
        let mark =
            format!("pragma application_id = {APPLICATION}; pragma user_version = {version}");
        connection.execute(sqlx::raw_sql(AssertSqlSafe(mark))).await.map_err(failed)?;
    }
    Ok(())
}
