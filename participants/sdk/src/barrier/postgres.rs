//! The barrier on Postgres, in READ COMMITTED: an insert that meets an uncommitted twin waits for
//! its fate.
//!
//! Action and compensation both insert the *action's* row first, so they meet on one unique key and
//! cannot deadlock. What was inserted is undone with its transaction unless the verdict says
//! otherwise.

use anyhow::{Context, bail};
use saga_protocol::{BodyHash, Command, Phase, Timestamp};
use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{Found, Record, State};

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
pub(crate) async fn claim_action(
    connection: &mut PgConnection,
    command: &Command,
) -> anyhow::Result<Claim> {
    let begun = Entry { phase: Phase::Action, outcome: "begun", reply: None };
    let (ours, now) = insert(connection, command, &begun).await?;
    let found = if ours { Found::default() } else { find(connection, command, None).await? };
    Ok(Claim { found, now })
}

/// Takes the identity of a compensation. Where there is no trace of the action, a tombstone with
/// this reply is written in its place: to be committed, or rolled back, as the verdict says.
pub(crate) async fn claim_compensation(
    connection: &mut PgConnection,
    command: &Command,
    reply: &str,
) -> anyhow::Result<Claim> {
    let tombstone = Entry { phase: Phase::Action, outcome: "tombstone", reply: Some(reply) };
    let (ours, now) = insert(connection, command, &tombstone).await?;
    if ours {
        return Ok(Claim { found: Found::default(), now });
    }
    let begun = Entry { phase: Phase::Compensation, outcome: "begun", reply: None };
    let (ours, now) = insert(connection, command, &begun).await?;
    let found = find(connection, command, ours.then_some(Phase::Compensation)).await?;
    Ok(Claim { found, now })
}

/// The rows of a step that others have written, by a statement of its own: the one that waited for
/// a twin does not see what the twin wrote.
pub(crate) async fn find(
    connection: &mut PgConnection,
    command: &Command,
    ours: Option<Phase>,
) -> anyhow::Result<Found> {
    let sql = "select phase, outcome, body_sha256, reply,
            (extract(epoch from until) * 1000000)::bigint as until
        from barrier where saga_id = $1 and step = $2";
    let rows = sqlx::query(sql)
        .bind(command.saga_id.0)
        .bind(command.step.as_str())
        .fetch_all(connection)
        .await
        .context("cannot read the barrier")?;
    let mut found = Found::default();
    for row in &rows {
        let phase: Phase = row.try_get::<&str, _>("phase")?.parse().map_err(anyhow::Error::msg)?;
        if Some(phase) == ours {
            continue;
        }
        let record = Some(record(row).context("cannot understand a row of the barrier")?);
        match phase {
            Phase::Action => found.action = record,
            Phase::Compensation => found.compensation = record,
            Phase::Query => bail!("the barrier has a row of a query"),
        }
    }
    Ok(found)
}

/// Writes what became of the command into the row that its claim began, or that an intent left
/// which is now taken over.
pub(crate) async fn settle(
    connection: &mut PgConnection,
    command: &Command,
    state: Settled,
    reply: &str,
) -> anyhow::Result<()> {
    let sql = "update barrier set outcome = $4, reply = $5, until = null, command = null
        where saga_id = $1 and step = $2 and phase = $3 and outcome in ('begun', 'intent')";
    let result = sqlx::query(sql)
        .bind(command.saga_id.0)
        .bind(command.step.as_str())
        .bind(command.phase.as_str())
        .bind(state.word())
        .bind(reply)
        .execute(connection)
        .await
        .context("cannot write the barrier")?;
    if result.rows_affected() != 1 {
        bail!("the barrier's row is gone: the handler ended the transaction that it was given");
    }
    Ok(())
}

/// Whether the row is ours now, and the time.
async fn insert(
    connection: &mut PgConnection,
    command: &Command,
    entry: &Entry<'_>,
) -> anyhow::Result<(bool, Timestamp)> {
    let sql = "with ours as (
            insert into barrier (saga_id, step, phase, body_sha256, outcome, reply, saga_started)
            values ($1, $2, $3, $4, $5, $6,
                timestamptz 'epoch' + $7::bigint * interval '1 microsecond')
            on conflict (saga_id, step, phase) do update set step = excluded.step where false
            returning saga_id
        )
        select exists (select from ours) as ours,
            (extract(epoch from clock_timestamp()) * 1000000)::bigint as now";
    let row = sqlx::query(sql)
        .bind(command.saga_id.0)
        .bind(command.step.as_str())
        .bind(entry.phase.as_str())
        .bind(BodyHash::of(&command.body).to_string())
        .bind(entry.outcome)
        .bind(entry.reply)
        .bind(command.started.as_micros())
        .fetch_one(connection)
        .await
        .context("cannot ask the barrier")?;
    Ok((row.try_get("ours")?, Timestamp::from_micros(row.try_get("now")?)))
}

fn record(row: &PgRow) -> anyhow::Result<Record> {
    let until: Option<i64> = row.try_get("until")?;
    let state = match row.try_get("outcome")? {
        "completed" => State::Completed,
        "rejected" => State::Rejected,
        "tombstone" => State::Tombstone,
        "intent" => State::Intent { until: until.map(Timestamp::from_micros) },
        other => bail!("`{other}` is no outcome"),
    };
    let body: &str = row.try_get("body_sha256")?;
    let body = body.parse().map_err(anyhow::Error::msg)?;
    let reply: Option<String> = row.try_get("reply")?;
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
