//! Intents: the rows of commands that are done outside the database.
//!
//! An intent has a lease, by the database's clock. A result is stored by whoever comes first, since
//! all calls of a command have the same idempotency key; an intent is given up only by whoever
//! holds the lease.

use std::time::Duration;

use anyhow::Context;
use saga_protocol::{Command, Phase, SagaId, StepName, Timestamp};

use super::{statements, table::Settled};
use crate::{Row, Tx};

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
    tx: &mut Tx,
    command: &Command,
    text: &str,
    lease: Duration,
) -> anyhow::Result<Timestamp> {
    let sql = statements::of(tx).intend;
    let Command { saga_id, step, phase, .. } = command;
    let lease = micros(lease);
    let row = tx.fetch_optional(sql, &[saga_id, step, &phase.as_str(), &text, &lease]).await;
    let row = row.context("cannot write an intent")?;
    let row = row.context("the row of an intent is gone")?;
    Ok(Timestamp::from_micros(row.get("until")?))
}

/// Makes the action's intent a tombstone: its compensation has come. A copy of the action hears
/// `reply`.
pub(crate) async fn bury(tx: &mut Tx, command: &Command, reply: &str) -> anyhow::Result<()> {
    let sql = "update barrier
        set outcome = 'tombstone', reply = $3, until = null, command = null
        where saga_id = $1 and step = $2 and phase = 'action' and outcome = 'intent'";
    let buried = tx.execute(sql, &[&command.saga_id, &command.step, &reply]).await;
    buried.context("cannot bury an intent")?;
    Ok(())
}

/// Stores what the call of an intent came to, where nobody has before.
pub(crate) async fn settle(
    tx: &mut Tx,
    command: &Command,
    settled: Settled,
    reply: &str,
) -> anyhow::Result<Standing> {
    let sql = "update barrier set outcome = $4, reply = $5, until = null, command = null
        where saga_id = $1 and step = $2 and phase = $3 and outcome = 'intent'";
    let Command { saga_id, step, phase, .. } = command;
    let (phase, word) = (phase.as_str(), settled.word());
    let stored = tx.execute(sql, &[saga_id, step, &phase, &word, &reply]).await;
    if stored.context("cannot store the result of an intent")? == 1 {
        return Ok(Standing::Stored);
    }
    let sql = "select reply from barrier where saga_id = $1 and step = $2 and phase = $3
        and outcome in ('completed', 'rejected')";
    let before = tx.fetch_optional(sql, &[saga_id, step, &phase]).await;
    Ok(match before.context("cannot read the result of an intent")? {
        Some(row) => Standing::Before(row.get("reply")?),
        None => Standing::Buried,
    })
}

/// Gives an intent up, so that the next attempt begins again at once; whether it was still ours.
pub(crate) async fn release(
    tx: &mut Tx,
    command: &Command,
    until: Timestamp,
) -> anyhow::Result<bool> {
    let sql = statements::of(tx).release;
    let Command { saga_id, step, phase, .. } = command;
    let released = tx.execute(sql, &[saga_id, step, &phase.as_str(), &until.as_micros()]).await;
    Ok(released.context("cannot give an intent up")? == 1)
}

/// Gives up an intent that was claimed just now.
pub(crate) async fn give_up(tx: &mut Tx, lapsed: &Lapsed) -> anyhow::Result<()> {
    let sql = "update barrier set until = null
        where saga_id = $1 and step = $2 and phase = $3 and outcome = 'intent'";
    let Lapsed { saga_id, step, phase, .. } = lapsed;
    tx.execute(sql, &[saga_id, step, &phase.as_str()]).await.context("cannot give an intent up")?;
    Ok(())
}

/// Claims intents whose lease has passed, the oldest first; none that others are about to claim.
pub(crate) async fn lapsed(tx: &mut Tx, max: usize) -> anyhow::Result<Vec<Lapsed>> {
    let sql = statements::of(tx).lapsed;
    let rows = tx.fetch_all(sql, &[&i64::try_from(max)?]).await;
    let rows = rows.context("cannot look for intents")?;
    rows.iter().map(|row| claimed(row).context("cannot understand an intent")).collect()
}

fn claimed(row: &Row) -> anyhow::Result<Lapsed> {
    Ok(Lapsed {
        saga_id: SagaId(row.get("saga_id")?),
        step: row.get::<String>("step")?.parse()?,
        phase: row.get::<String>("phase")?.parse().map_err(anyhow::Error::msg)?,
        command: row.get("command")?,
    })
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
