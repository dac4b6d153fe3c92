//! The participant's database: how it is connected to, waited for, and what its errors mean.

mod postgres;
mod sqlite;

use anyhow::bail;
use saga_protocol::ParticipantName;
use saga_runtime::Delays;
use sqlx::{PgPool, SqlitePool};

use crate::{
    Tx, schema,
    tx::{Connection, Kind},
};

pub(crate) use sqlite::WAIT_MAX;

/// What a URL of a database may be.
const URLS: &str = "`postgres://user:password@host:port/database`, or `sqlite:path` for a file";

/// How a database is used.
#[derive(Clone, Copy)]
pub(crate) struct Use {
    /// Connections at once. A file has one, whatever is wanted.
    pub(crate) connections: u32,
    /// Whether one that may lose what it has confirmed will do.
    pub(crate) allow_unsafe: bool,
}

/// The database of one participant: on Postgres the schema that bears its name, on SQLite a file of
/// its own.
pub(crate) struct Database {
    pool: Pool,
    name: ParticipantName,
    allow_unsafe: bool,
}

enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// What can be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Another transaction was in the way: begin again.
    Conflict,
    /// The database is away: wait.
    Unavailable,
    /// It will happen again.
    Permanent,
}

impl Database {
    /// Does not connect yet.
    pub(crate) fn open(name: &ParticipantName, url: &str, wanted: Use) -> anyhow::Result<Self> {
        let pool = match url.split_once(':') {
            Some(("postgres" | "postgresql", _)) => {
                Pool::Postgres(postgres::pool(name, url, wanted.connections)?)
            }
            Some(("sqlite", path)) => Pool::Sqlite(sqlite::pool(path)?),
            // Without what was given: there may be a password in it.
            _ => bail!("`DATABASE_URL` is neither of these: {URLS}"),
        };
        Ok(Self { pool, name: name.clone(), allow_unsafe: wanted.allow_unsafe })
    }

    /// Waits for the database and brings the tables up to date.
    pub(crate) async fn prepare(&self, business: &[&'static str]) -> anyhow::Result<()> {
        let mut delays = Delays::new();
        loop {
            let prepared = async {
                self.check().await?;
                schema::apply(self, &self.name, business).await
            };
            let Err(error) = prepared.await else { return Ok(()) };
            if class_of(&error) == Class::Permanent {
                return Err(error.context("cannot prepare the database"));
            }
            tracing::warn!(error = format!("{error:#}"), "waiting for the database");
            delays.wait().await;
        }
    }

    /// Waits until the database answers and takes writes.
    pub(crate) async fn recovered(&self) {
        let mut delays = Delays::new();
        while let Err(error) = self.check().await {
            tracing::warn!(error = format!("{error:#}"), "waiting for the database");
            delays.wait().await;
        }
        tracing::info!("the database answers");
    }

    /// Whether it can be relied on: what is answered as done must not be lost.
    async fn check(&self) -> anyhow::Result<()> {
        match &self.pool {
            Pool::Postgres(pool) => postgres::check(pool, self.allow_unsafe).await,
            // How it is written is ours to say: whether it can be locked is all there is to ask.
            Pool::Sqlite(_) => Ok(self.begin().await?.rollback().await?),
        }
    }

    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        let connection = match &self.pool {
            Pool::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
            Pool::Sqlite(pool) => Connection::Sqlite(pool.acquire().await?),
        };
        Tx::begin(connection).await
    }

    /// Where the participant's tables are, for messages.
    pub(crate) fn place(&self) -> String {
        match &self.pool {
            Pool::Postgres(_) => format!("schema `{}`", self.name),
            Pool::Sqlite(pool) => {
                format!("file `{}`", pool.connect_options().get_filename().display())
            }
        }
    }

    /// What it stands on.
    pub(crate) fn kind(&self) -> Kind {
        match &self.pool {
            Pool::Postgres(_) => Kind::Postgres,
            Pool::Sqlite(_) => Kind::Sqlite,
        }
    }

    pub(crate) async fn close(&self) {
        match &self.pool {
            Pool::Postgres(pool) => pool.close().await,
            Pool::Sqlite(pool) => pool.close().await,
        }
    }
}

/// What can be done about an error that may have one of the database below it.
pub(crate) fn class_of(error: &anyhow::Error) -> Class {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<sqlx::Error>());
    cause.map_or(Class::Permanent, class)
}

/// What can be done about an error.
pub(crate) fn class(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Database(error) => match error.try_downcast_ref() {
            Some(error) => sqlite::class(error),
            None => postgres::class(error.as_ref()),
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Class::Unavailable,
        _ => Class::Permanent,
    }
}
