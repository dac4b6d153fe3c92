//! The barrier's table: whose a command is, and what became of it.
//!
//! Action and compensation both insert the *action's* row first, so they meet on one unique key and
//! cannot deadlock. What was inserted is undone with its transaction unless the verdict says
//! otherwise.

use anyhow::{Context, bail};
use saga_protocol::{BodyHash, Command, Phase, Timestamp};

use super::{Found, Record, State, statements};
use crate::{Row, Tx};

/// What is known once the command's identity is ours, or somebody else's for good.
pub(crate) struct Claim {
    /// The rows that others have committed.
    pub(crate) found: Found,
    /// Now, by the database's clock.
    pub(crate) now: Timestamp,
}

/// What a command came to, for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// It took effect.
    Completed,
    /// It was refused.
    Rejected,
}

/// How a row begins its life.
struct Entry<'a> {
    phase: Phase,
    outcome: &'static str,
    reply: Option<&'a str>,
}

/// Takes the identity of an action. Afterwards nobody else is at work on it.
pub(crate) async fn claim_action(tx: &mut Tx, command: &Command) -> anyhow::Result<Claim> {
    let begun = Entry { phase: Phase::Action, outcome: "begun", reply: None };
    match insert(tx, command, &begun).await? {
        Some(now) => Ok(Claim { found: Found::default(), now }),
        None => find(tx, command, None).await?.context(GONE),
    }
}

/// Takes the identity of a compensation. Where there is no trace of the action, a tombstone with
/// this reply is written in its place: to be committed, or rolled back, as the verdict says.
pub(crate) async fn claim_compensation(
    tx: &mut Tx,
    command: &Command,
    reply: &str,
) -> anyhow::Result<Claim> {
    let tombstone = Entry { phase: Phase::Action, outcome: "tombstone", reply: Some(reply) };
    if let Some(now) = insert(tx, command, &tombstone).await? {
        return Ok(Claim { found: Found::default(), now });
    }
    let begun = Entry { phase: Phase::Compensation, outcome: "begun", reply: None };
    let ours = insert(tx, command, &begun).await?.map(|_| Phase::Compensation);
    find(tx, command, ours).await?.context(GONE)
}

/// Takes nothing: a query only looks. It starts nothing either, so no time matters to it.
pub(crate) async fn look(tx: &mut Tx, command: &Command) -> anyhow::Result<Claim> {
    let none = Claim { found: Found::default(), now: command.started };
    Ok(find(tx, command, None).await?.unwrap_or(none))
}

/// Writes what became of the command into the row that its claim began, or that an intent left
/// which is now taken over.
pub(crate) async fn settle(
    tx: &mut Tx,
    command: &Command,
    state: Settled,
    reply: &str,
) -> anyhow::Result<()> {
    let sql = "update barrier set outcome = $4, reply = $5, until = null, command = null
        where saga_id = $1 and step = $2 and phase = $3 and outcome in ('begun', 'intent')";
    let Command { saga_id, step, phase, .. } = command;
    let (phase, word) = (phase.as_str(), state.word());
    let settled = tx.execute(sql, &[saga_id, step, &phase, &word, &reply]).await;
    if settled.context("cannot write the barrier")? != 1 {
        bail!("the barrier's row is gone: the handler ended the transaction that it was given");
    }
    Ok(())
}

/// Why nothing is found where there was a row: such rows are only ever removed by hand.
const GONE: &str = "a row of the barrier was removed while it was asked";

/// Now, where the row is ours.
async fn insert(
    tx: &mut Tx,
    command: &Command,
    entry: &Entry<'_>,
) -> anyhow::Result<Option<Timestamp>> {
    let sql = statements::of(tx).insert;
    let Command { saga_id, step, started, .. } = command;
    let (phase, body) = (entry.phase.as_str(), BodyHash::of(&command.body).to_string());
    let started = started.as_micros();
    let Entry { outcome, reply, .. } = entry;
    let row =
        tx.fetch_optional(sql, &[saga_id, step, &phase, &body, outcome, reply, &started]).await;
    let row = row.context("cannot ask the barrier")?;
    row.map(|row| Ok(Timestamp::from_micros(row.get("now")?))).transpose()
}

/// The rows of a step that others have written, by a statement of its own: on Postgres the one that
/// waited for a twin does not see what the twin wrote. `None` where there is no row at all.
async fn find(
    tx: &mut Tx,
    command: &Command,
    ours: Option<Phase>,
) -> anyhow::Result<Option<Claim>> {
    let sql = statements::of(tx).find;
    let rows = tx.fetch_all(sql, &[&command.saga_id, &command.step]).await;
    let mut claim = None;
    for row in rows.context("cannot read the barrier")? {
        let now = Timestamp::from_micros(row.get("now")?);
        let Claim { found, .. } = claim.get_or_insert(Claim { found: Found::default(), now });
        let phase: Phase = row.get::<String>("phase")?.parse().map_err(anyhow::Error::msg)?;
        if Some(phase) == ours {
            continue;
        }
        let record = Some(record(&row).context("cannot understand a row of the barrier")?);
        match phase {
            Phase::Action => found.action = record,
            Phase::Compensation => found.compensation = record,
            Phase::Query => bail!("the barrier has a row of a query"),
        }
    }
    Ok(claim)
}

fn record(row: &Row) -> anyhow::Result<Record> {
    let until: Option<i64> = row.get("until")?;
    let state = match row.get::<String>("outcome")?.as_str() {
        "completed" => State::Completed,
        "rejected" => State::Rejected,
        "tombstone" => State::Tombstone,
        "intent" => State::Intent { until: until.map(Timestamp::from_micros) },
        other => bail!("`{other}` is no outcome"),
    };
    let body = row.get::<String>("body_sha256")?.parse().map_err(anyhow::Error::msg)?;
    let reply: Option<String> = row.get("reply")?;
    Ok(Record { state, body, reply: reply.unwrap_or_default().into() })
}

impl Settled {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Rejected => "rejected",
        }
    }
}
