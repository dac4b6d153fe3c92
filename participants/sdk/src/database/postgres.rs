//! Postgres: what a session is like, and whether the server can be relied on.

use std::time::Duration;

use anyhow::{Context, ensure};
use saga_protocol::ParticipantName;
use sqlx::{
    Connection, PgPool, Row,
    error::DatabaseError,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::Class;

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

/// Does not connect yet. Unqualified names are found in the schema of the participant's name.
pub(super) fn pool(name: &ParticipantName, url: &str, connections: u32) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = url.parse().context("`DATABASE_URL` is not valid")?;
    let options = options
        .application_name(name.as_str())
        .options(SESSION)
        .options([("search_path", format!("\"{name}\""))]);
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_MAX)
        // A round trip per command. Only a connection that was idle for a while is asked whether it
        // still works: a server that was restarted breaks them all.
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for > IDLE_UNASKED_MAX {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

/// Whether it takes writes and keeps them.
pub(super) async fn check(pool: &PgPool, allow_unsafe: bool) -> anyhow::Result<()> {
    let sql = "select pg_is_in_recovery() as standby,
        current_setting('transaction_read_only')::boolean as read_only,
        current_setting('fsync') <> 'off'
            and current_setting('synchronous_commit') <> 'off' as safe";
    let row = sqlx::query(sql).fetch_one(pool).await.context("it does not answer")?;
    let (standby, safe): (bool, bool) = (row.try_get("standby")?, row.try_get("safe")?);
    ensure!(!standby, "it is a standby; let `DATABASE_URL` name the primary");
    let read_only: bool = row.try_get("read_only")?;
    ensure!(!read_only, "it takes no writes: `default_transaction_read_only` is on");
    ensure!(
        allow_unsafe || safe,
        "it has `fsync` or `synchronous_commit` off, so that a crash of its machine can lose what \
         was confirmed; set them to `on`, or accept the loss with `--allow-unsafe-db`"
    );
    Ok(())
}

/// What can be done about what the server said. Codes are SQLSTATEs.
pub(super) fn class(error: &dyn DatabaseError) -> Class {
    match error.code().as_deref() {
        // Serialization failure, deadlock, lock timeout.
        Some("40001" | "40P01" | "55P03") => Class::Conflict,
        // Shutting down, crashed, starting up, idle too long, read-only since a failover.
        Some("57P01" | "57P02" | "57P03" | "25P03" | "25006") => Class::Unavailable,
        // Connection exceptions, out of resources.
        Some(code) if code.starts_with("08") || code.starts_with("53") => Class::Unavailable,
        Some(_) | None => Class::Permanent,
    }
}
