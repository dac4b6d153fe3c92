//! The participant's database: how it is connected to, waited for, and what its errors mean.

use std::time::Duration;

use anyhow::{Context, ensure};
use saga_protocol::ParticipantName;
use saga_runtime::Delays;
use sqlx::{
    Connection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Tx, schema};

/// How long a command waits for a connection. The orchestrator had better hear of a database that
/// is away.
const ACQUIRE_MAX: Duration = Duration::from_secs(2);
/// How long a connection may be idle and still be used unasked.
const IDLE_UNASKED_MAX: Duration = Duration::from_secs(1);
/// Settings of each session.
const SESSION: [(&str, &str); 4] = [
    // A row that is held longer than this is not coming: try again from the start.
    ("lock_timeout", "5s"),
    // Far above any statement of a participant that is well.
    ("statement_timeout", "30s"),
    // Above the longest handler; frees what a process left that vanished without a goodbye.
    ("idle_in_transaction_session_timeout", "90s"),
    ("timezone", "UTC"),
];

/// How a database is used.
#[derive(Clone, Copy)]
pub(crate) struct Use {
    /// Connections at once.
    pub(crate) connections: u32,
    /// Whether one that may lose what it has confirmed will do.
    pub(crate) allow_unsafe: bool,
}

/// The database of one participant, whose schema bears its name.
pub(crate) struct Database {
    pool: PgPool,
    name: ParticipantName,
    allow_unsafe: bool,
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
        let options: PgConnectOptions = url.parse().context("`DATABASE_URL` is not valid")?;
        let options = options
            .application_name(name.as_str())
            .options(SESSION)
            .options([("search_path", format!("\"{name}\""))]);
        let pool = PgPoolOptions::new()
            .max_connections(wanted.connections)
            .acquire_timeout(ACQUIRE_MAX)
            // A round trip per command. Only a connection that was idle for a while is asked
            // whether it still works: a server that was restarted breaks them all.
            .test_before_acquire(false)
            .before_acquire(|connection, metadata| {
                Box::pin(async move {
                    if metadata.idle_for > IDLE_UNASKED_MAX {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool, name: name.clone(), allow_unsafe: wanted.allow_unsafe })
    }

    /// Waits for the database and brings the tables up to date.
    pub(crate) async fn prepare(&self, business: &[&'static str]) -> anyhow::Result<()> {
        let mut delays = Delays::new();
        loop {
            let prepared = async {
                self.check().await?;
                schema::apply(&self.pool, &self.name, business).await
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
        let sql = "select pg_is_in_recovery() as standby,
            current_setting('transaction_read_only')::boolean as read_only,
            current_setting('fsync') <> 'off'
                and current_setting('synchronous_commit') <> 'off' as safe";
        let row = sqlx::query(sql).fetch_one(&self.pool).await.context("it does not answer")?;
        let (standby, safe): (bool, bool) = (row.try_get("standby")?, row.try_get("safe")?);
        ensure!(!standby, "it is a standby; let `DATABASE_URL` name the primary");
        let read_only: bool = row.try_get("read_only")?;
        ensure!(!read_only, "it takes no writes: `default_transaction_read_only` is on");
        ensure!(
            self.allow_unsafe || safe,
            "it has `fsync` or `synchronous_commit` off, so that a crash of its machine can lose \
             what was confirmed; set them to `on`, or accept the loss with `--allow-unsafe-db`"
        );
        Ok(())
    }

    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        Ok(Tx::Postgres(self.pool.begin().await?))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// What can be done about an error that may have one of the database below it.
pub(crate) fn class_of(error: &anyhow::Error) -> Class {
    let cause = error.chain().find_map(|cause| cause.downcast_ref::<sqlx::Error>());
    cause.map_or(Class::Permanent, class)
}

/// What can be done about an error. Codes are SQLSTATEs.
pub(crate) fn class(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // Serialization failure, deadlock, lock timeout.
            Some("40001" | "40P01" | "55P03") => Class::Conflict,
            // Shutting down, crashed, starting up, idle too long, read-only since a failover.
            Some("57P01" | "57P02" | "57P03" | "25P03" | "25006") => Class::Unavailable,
            // Connection exceptions, out of resources.
            Some(code) if code.starts_with("08") || code.starts_with("53") => Class::Unavailable,
            Some(_) | None => Class::Permanent,
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
