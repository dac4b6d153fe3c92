//! The participant's database: how it is connected to, waited for, and what its errors mean.

use std::time::Duration;

use anyhow::Context;
use saga_protocol::ParticipantName;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{Tx, backoff::Delays, schema};

/// How long a command waits for a connection. The orchestrator had better hear of a database that is away.
const ACQUIRE_MAX: Duration = Duration::from_secs(2);
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

/// The database of one participant, whose schema bears its name.
pub(crate) struct Database {
    pool: PgPool,
    name: ParticipantName,
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
    pub(crate) fn open(
        name: &ParticipantName,
        url: &str,
        connections: u32,
    ) -> anyhow::Result<Self> {
        let options: PgConnectOptions = url.parse().context("`DATABASE_URL` is not valid")?;
        let options = options
            .application_name(name.as_str())
            .options(SESSION)
            .options([("search_path", format!("\"{name}\""))]);
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_MAX)
            // A round trip per command; a connection that broke shows at its first statement, which costs an attempt.
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Self { pool, name: name.clone() })
    }

    /// Waits for the database and brings the tables up to date.
    pub(crate) async fn prepare(&self, business: &[&'static str]) -> anyhow::Result<()> {
        let mut delays = Delays::new();
        loop {
            let error = match schema::apply(&self.pool, &self.name, business).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if class_of(&error) == Class::Permanent {
                return Err(error.context("cannot prepare the database"));
            }
            tracing::warn!(error = format!("{error:#}"), "waiting for the database");
            delays.wait().await;
        }
    }

    /// Waits until the database answers.
    pub(crate) async fn recovered(&self) {
        let mut delays = Delays::new();
        while let Err(error) = sqlx::query("select 1").execute(&self.pool).await {
            tracing::warn!(error = %error, "waiting for the database");
            delays.wait().await;
        }
        tracing::info!("the database answers");
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
            // Shutting down, crashed, starting up, idle too long.
            Some("57P01" | "57P02" | "57P03" | "25P03") => Class::Unavailable,
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
