//! Intents on Postgres: the rows of commands that are done outside the database.
//!
//! An intent has a lease, by the database's clock. A result is stored by whoever comes first, since
//! all calls of a command have the same idempotency key; an intent is given up only by whoever
//! holds the lease.

use std::time::Duration;

use anyhow::Context;
use saga_protocol::{Command, Phase, SagaId, StepName, Timestamp};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::postgres::Settled;

/// An intent that was taken over.
pub(crate) struct Lapsed {
    pub(crate) saga_id: SagaId,
    pub(crate) step: StepName,
    pub(crate) phase: Phase,
    /// As it was written.
    pub(crate) command: String,
}

/// What stands in the row of a command whose result comes.
pub(crate) enum Standing {
    /// The result that came.
    Stored,
    /// One that came before: this is its reply.
    Before(String),
    /// None: its compensation has come meanwhile.
    Buried,
}

/// Makes the row that a claim began, or took over, an intent; until when it is ours.
pub(crate) async fn write(
    connection: &mut PgConnection,
    command: &Command,
    text: &str,
    lease: Duration,
) -> anyhow::Result<Timestamp> {
    let sql = "update barrier set outcome = 'intent', command = $4,
            until = clock_timestamp() + $5::bigint * interval '1 microsecond'
        where saga_id = $1 and step = $2 and phase = $3 and outcome in ('begun', 'intent')
        returning (extract(epoch from until) * 1000000)::bigint as until";
    let row = sqlx::query(sql)
        .bind(command.saga_id.0)
        .bind(command.step.as_str())
        .bind(command.phase.as_str())
        .bind(text)
        .bind(micros(lease))
        .fetch_one(connection)
        .await
        .context("cannot write an intent")?;
    Ok(Timestamp::from_micros(row.try_get("until")?))
}

/// Makes the action's intent a tombstone: its compensation has come. A copy of the action hears
/// `reply`.
pub(crate) async fn bury(
    connection: &mut PgConnection,
    command: &Command,
    reply: &str,
) -> anyhow::Result<()> {
    let sql = "update barrier
        set outcome = 'tombstone', reply = $3, until = null, command = null
        where saga_id = $1 and step = $2 and phase = 'action' and outcome = 'intent'";
    sqlx::query(sql)
        .bind(command.saga_id.0)
        .bind(command.step.as_str())
        .bind(reply)
        .execute(connection)
        .await
        .context("cannot bury an intent")?;
    Ok(())
}

/// Stores what the call of an intent came to, where nobody has before.
pub(crate) async fn settle(
    connection: &mut PgConnection,
    command: &Command,
    settled: Settled,
    reply: &str,
) -> anyhow::Result<Standing> {
    let sql = "update barrier set outcome = $4, reply = $5, until = null, command = null
        where saga_id = $1 and step = $2 and phase = $3 and outcome = 'intent'";
    let result = sqlx::query(sql)
        .bind(command.saga_id.0)
        .bind(command.step.as_str())
        .bind(command.phase.as_str())
        .bind(settled.word())
        .bind(reply)
        .execute(&mut *connection)
        .await
        .context("cannot store the result of an intent")?;
    if result.rows_affected() == 1 {
        return Ok(Standing::Stored);
    }
    let sql = "select reply from barrier where saga_id = $1 and step = $2 and phase = $3
        and outcome in ('completed', 'rejected')";
    let before: Option<String> = sqlx::query_scalar(sql)
        .bind(command.saga_id.0)
        .bind(command.step.as_str())
        .bind(command.phase.as_str())
        .fetch_optional(connection)
        .await
        .context("cannot read the result of an intent")?;
    Ok(before.map_or(Standing::Buried, Standing::Before))
}

/// Gives an intent up, so that the next attempt begins again at once; whether it was still ours.
pub(crate) async fn release(
    connection: &mut PgConnection,
    command: &Command,
    until: Timestamp,
) -> anyhow::Result<bool> {
    let sql = "update barrier set until = null
        where saga_id = $1 and step = $2 and phase = $3 and outcome = 'intent'
            and until = timestamptz 'epoch' + $4::bigint * interval '1 microsecond'";
    let result = sqlx::query(sql)
        .bind(command.saga_id.0)
        .bind(command.step.as_str())
        .bind(command.phase.as_str())
        .bind(until.as_micros())
        .execute(connection)
        .await
        .context("cannot give an intent up")?;
    Ok(result.rows_affected() == 1)
}

/// Gives up an intent that was claimed just now.
pub(crate) async fn give_up(connection: &mut PgConnection, lapsed: &Lapsed) -> anyhow::Result<()> {
    let sql = "update barrier set until = null
        where saga_id = $1 and step = $2 and phase = $3 and outcome = 'intent'";
    sqlx::query(sql)
        .bind(lapsed.saga_id.0)
        .bind(lapsed.step.as_str())
        .bind(lapsed.phase.as_str())
        .execute(connection)
        .await
        .context("cannot give an intent up")?;
    Ok(())
}

/// Claims intents whose lease has passed, the oldest first; none that others are about to claim.
pub(crate) async fn lapsed(
    connection: &mut PgConnection,
    max: usize,
) -> anyhow::Result<Vec<Lapsed>> {
    let sql = "select saga_id, step, phase, command from barrier
        where until <= clock_timestamp() order by until limit $1 for update skip locked";
    let rows = sqlx::query(sql)
        .bind(i64::try_from(max)?)
        .fetch_all(connection)
        .await
        .context("cannot look for intents")?;
    rows.iter().map(|row| claimed(row).context("cannot understand an intent")).collect()
}

fn claimed(row: &PgRow) -> anyhow::Result<Lapsed> {
    let step: &str = row.try_get("step")?;
    let phase: &str = row.try_get("phase")?;
    Ok(Lapsed {
        saga_id: SagaId(row.try_get("saga_id")?),
        step: step.parse()?,
        phase: phase.parse().map_err(anyhow::Error::msg)?,
        command: row.try_get("command")?,
    })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
