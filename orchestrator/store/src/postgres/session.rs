//! Connections: how they are set up, pooled, and what the server must promise.

use std::time::Duration;

use sqlx::{
    Connection, Executor, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use super::Unready;

/// How long a caller waits for a connection: one that gets none in this time had better say so to
/// its own caller.
const ACQUIRE_MAX: Duration = Duration::from_secs(2);
/// A connection that was idle for longer than this is asked whether it still is one. A busy one is
/// not: that would cost a round trip per transaction.
const IDLE_UNASKED_MAX: Duration = Duration::from_secs(1);
/// How long a server may take to take a connection, or to end what is open on one, before it counts
/// as away.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Settings of each session.
const SESSION: [(&str, &str); 7] = [
    // A row that is held longer than this is not coming: try again from the start.
    ("lock_timeout", "2s"),
    // Far above any statement here; a slow database sheds load instead of gathering it.
    ("statement_timeout", "5s"),
    // Frees what a process holds that was stopped in the middle.
    ("idle_in_transaction_session_timeout", "10s"),
    // Row locks and versions carry correctness; nothing here counts on more.
    ("default_transaction_isolation", "read committed"),
    // Compiling takes longer than any statement here.
    ("jit", "off"),
    ("timezone", "UTC"),
    ("datestyle", "ISO"),
];

/// Where the database is, and how sessions are set up.
pub(super) fn connect_options(url: &str) -> Result<PgConnectOptions, Unready> {
    let options: PgConnectOptions =
        url.parse().map_err(|error: sqlx::Error| Unready::BadUrl(error.to_string()))?;
    Ok(options.application_name("saga").options(SESSION))
}

/// A connection of its own.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, Unready> {
    let connecting = timeout(CONNECT_MAX, PgConnection::connect_with(options)).await;
    let late = |_| Unready::Away(format!("it took no connection within {CONNECT_MAX:?}"));
    Ok(connecting.map_err(late)??)
}

/// A pool that connects when it is first used.
pub(super) fn pool(options: PgConnectOptions, connections: u32) -> PgPool {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_MAX)
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(refuse_standby(connection)))
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for > IDLE_UNASKED_MAX {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        // Nothing should be open here. Where something is, this ends it; the `begin` keeps Postgres
        // from complaining where nothing is.
        .after_release(|connection, _| {
            Box::pin(async move {
                let ended = timeout(CONNECT_MAX, connection.execute("begin; rollback")).await;
                Ok(ended.is_ok_and(|ended| ended.is_ok()))
            })
        })
        .connect_lazy_with(options)
}

/// After a failover the old primary may still answer.
async fn refuse_standby(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let standby: bool =
        sqlx::query_scalar("select pg_is_in_recovery()").fetch_one(connection).await?;
    match standby {
        true => Err(sqlx::Error::Configuration("the server is a standby".into())),
        false => Ok(()),
    }
}

/// Whether the server can be written to, said before it refuses something.
pub(super) async fn check_writable(connection: &mut PgConnection) -> Result<(), Unready> {
    let sql = "select pg_is_in_recovery() as standby,
        current_setting('transaction_read_only')::boolean as read_only";
    let row = sqlx::query(sql).fetch_one(connection).await?;
    if row.try_get("standby")? {
        return Err(Unready::ReadOnly("it is a standby"));
    }
    if row.try_get("read_only")? {
        return Err(Unready::ReadOnly("`default_transaction_read_only` is on"));
    }
    Ok(())
}

/// Whether the server keeps what it says it keeps.
pub(super) async fn check_server(
    connection: &mut PgConnection,
    allow_unsafe: bool,
) -> Result<(), Unready> {
    check_writable(connection).await?;
    let sql = "select current_setting('server_encoding') as encoding,
        current_setting('fsync')::boolean as fsync,
        current_setting('synchronous_commit') as synchronous_commit";
    let row = sqlx::query(sql).fetch_one(connection).await?;
    let encoding: String = row.try_get("encoding")?;
    if encoding != "UTF8" {
        return Err(Unready::Encoding(encoding));
    }
    let synchronous_commit: &str = row.try_get("synchronous_commit")?;
    let unsafe_because = match (row.try_get("fsync")?, synchronous_commit) {
        (false, _) => "fsync = off",
        (true, "off") => "synchronous_commit = off",
        (true, _) => return Ok(()),
    };
    if !allow_unsafe {
        return Err(Unready::Unsafe(unsafe_because));
    }
    tracing::warn!(
        "the database has `{unsafe_because}`: a crash of its machine can lose what was confirmed"
    );
    Ok(())
}
