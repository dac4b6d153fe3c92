//! The one way a saga changes: claim, decide, write, commit. Sagas are held in memory from before
//! they are read until what was decided about them is committed.

use std::collections::BTreeSet;

use saga_protocol::{SagaId, Timestamp};
use serde::Serialize;
use sqlx::SqliteConnection;

use super::{
    Sqlite,
    error::before_commit,
    letters, read,
    rows::{self, array, columns},
    transaction::Transaction,
};
use crate::{Claim, Claimed, Decide, Error, Update, Verdict, Wake, locks::Held};

pub(super) async fn transact(
    sqlite: &Sqlite,
    claim: Claim,
    decide: Decide<'_>,
) -> Result<(), Error> {
    let (_held, claimed) = match claim {
        Claim::Sagas(ids) => these(sqlite, ids).await?,
        Claim::Due(limit) => due(sqlite, limit).await?,
    };
    let now = claimed.now;
    let verdict = decide(claimed);
    let Verdict { updates, wakes, letters } = &verdict;
    if updates.is_empty() && wakes.is_empty() && letters.is_empty() {
        return Ok(());
    }
    let mut transaction = Transaction::begin(&sqlite.writer).await?;
    let written = write_all(transaction.connection(), now, &verdict).await;
    transaction.end(written).await
}

/// Holds sagas that nobody else holds, in the order of their ids; then tells apart the others.
async fn these(sqlite: &Sqlite, ids: Vec<SagaId>) -> Result<(Held, Claimed), Error> {
    let asked: BTreeSet<SagaId> = ids.into_iter().collect();
    let held = sqlite.locks.take(asked.iter().copied(), usize::MAX);
    let mine: Vec<_> = held.ids().collect();
    let rows = read::get(&sqlite.readers, &mine).await?;
    let read: BTreeSet<_> = rows.iter().map(|row| row.id).collect();
    let rest: Vec<_> = asked.difference(&read).copied().collect();
    let there = existing(sqlite, &rest).await?;
    let (busy, absent) = rest.into_iter().partition(|id| there.contains(id));
    Ok((held, Claimed { now: sqlite.clock.now(), rows, busy, absent }))
}

async fn existing(sqlite: &Sqlite, ids: &[SagaId]) -> Result<BTreeSet<SagaId>, Error> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let sql = "select id from saga where id in (select value from json_each($1))";
    let found = sqlx::query(sql).bind(array(ids)?).fetch_all(&sqlite.readers).await;
    let ids = rows::all(&found.map_err(before_commit)?, |row| rows::saga_id(row, "id"))?;
    Ok(ids.into_iter().collect())
}

/// Holds sagas whose time has come and that nobody else holds, earliest first.
async fn due(sqlite: &Sqlite, limit: u32) -> Result<(Held, Claimed), Error> {
    // As many as are held may head the list.
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let listed = wanted.saturating_add(sqlite.locks.count());
    let sql = "select id from saga where wake_at <= $1 order by wake_at, id limit $2";
    let found = sqlx::query(sql)
        .bind(sqlite.clock.now().as_micros())
        .bind(i64::try_from(listed).unwrap_or(i64::MAX))
        .fetch_all(&sqlite.readers)
        .await
        .map_err(before_commit)?;
    let ids = rows::all(&found, |row| rows::saga_id(row, "id"))?;
    let held = sqlite.locks.take(ids, wanted);
    let now = sqlite.clock.now();
    // Whoever held one of them a moment ago may have moved it on.
    let sql = concat!(
        "select ",
        columns!(),
        " from saga where id in (select value from json_each($1)) and wake_at <= $2
        order by wake_at, id"
    );
    let found = sqlx::query(sql)
        .bind(array(held.ids())?)
        .bind(now.as_micros())
        .fetch_all(&sqlite.readers)
        .await
        .map_err(before_commit)?;
    let rows = rows::all(&found, rows::saga)?;
    Ok((held, Claimed { now, rows, busy: Vec::new(), absent: Vec::new() }))
}

async fn write_all(
    connection: &mut SqliteConnection,
    now: Timestamp,
    verdict: &Verdict,
) -> Result<(), Error> {
    let Verdict { updates, wakes, letters } = verdict;
    if !updates.is_empty() {
        write(connection, now, updates).await?;
        journal(connection, updates.iter().flat_map(|update| entries(update, now))).await?;
    }
    if !wakes.is_empty() {
        wake(connection, wakes).await?;
    }
    letters::insert(connection, now, letters).await
}

/// A saga's new row, as the statement takes it.
#[derive(Serialize)]
struct Changed<'a> {
    id: SagaId,
    loaded: i64,
    version: i64,
    status: &'a str,
    paused_at: Option<i64>,
    state: &'a str,
    keep: bool,
    wake_at: Option<i64>,
    finished_at: Option<i64>,
}

impl<'a> From<&'a Update> for Changed<'a> {
    fn from(update: &'a Update) -> Self {
        Self {
            id: update.id,
            loaded: update.loaded,
            version: update.version(),
            status: update.status,
            paused_at: update.paused_at.map(Timestamp::as_micros),
            state: update.state.get(),
            keep: update.wake == Wake::Keep,
            wake_at: wake_at(update.wake),
            finished_at: update.finished_at.map(Timestamp::as_micros),
        }
    }
}

/// Writes the sagas; all of them, or none.
async fn write(
    connection: &mut SqliteConnection,
    now: Timestamp,
    updates: &[Update],
) -> Result<(), Error> {
    let sql = "update saga set
            status = change.status,
            paused_at = change.paused_at,
            version = change.version,
            state = change.state,
            wake_at = case
                when change.finished_at is not null then null
                when not change.keep then change.wake_at
                -- What runs must be looked at: at once, where nobody knows when.
                when change.status in ('running', 'compensating') and change.paused_at is null
                    then coalesce(saga.wake_at, $2)
                else saga.wake_at
            end,
            updated_at = $2,
            finished_at = change.finished_at,
            trouble = null
        from (
            select value ->> 'id' as id, value ->> 'loaded' as loaded,
                value ->> 'version' as version, value ->> 'status' as status,
                value ->> 'paused_at' as paused_at, value ->> 'state' as state,
                value ->> 'keep' as keep, value ->> 'wake_at' as wake_at,
                value ->> 'finished_at' as finished_at
            from json_each($1)
        ) as change
        where saga.id = change.id and saga.version = change.loaded";
    let changed = sqlx::query(sql)
        .bind(array(updates.iter().map(Changed::from))?)
        .bind(now.as_micros())
        .execute(connection)
        .await
        .map_err(before_commit)?;
    all_of(changed.rows_affected(), updates.len())
}

/// A journal entry, as the statement takes it: the saga, the version, when, and what.
type Entry<'a> = (SagaId, i64, i64, &'a str);

/// What an update journals.
pub(super) fn entries(update: &Update, at: Timestamp) -> impl Iterator<Item = Entry<'_>> {
    update.entries().map(move |(id, version, entry)| (id, version, at.as_micros(), entry.get()))
}

/// Writes how sagas came to be as they are.
pub(super) async fn journal<'a>(
    connection: &mut SqliteConnection,
    entries: impl Iterator<Item = Entry<'a>>,
) -> Result<(), Error> {
    let sql = "insert into journal (saga_id, version, at, entry)
        select value ->> 0, value ->> 1, value ->> 2, value ->> 3 from json_each($1)";
    let entries = array(entries)?;
    sqlx::query(sql).bind(entries).execute(connection).await.map_err(before_commit)?;
    Ok(())
}

/// Moves `wake_at` of sagas that are held.
async fn wake(
    connection: &mut SqliteConnection,
    wakes: &[(SagaId, Timestamp)],
) -> Result<(), Error> {
    let sql = "update saga set wake_at = later.wake_at
        from (select value ->> 0 as id, value ->> 1 as wake_at from json_each($1)) as later
        where saga.id = later.id";
    let woken = sqlx::query(sql)
        .bind(array(wakes.iter().map(|(id, at)| (id, at.as_micros())))?)
        .execute(connection)
        .await
        .map_err(before_commit)?;
    all_of(woken.rows_affected(), wakes.len())
}

pub(super) fn wake_at(wake: Wake) -> Option<i64> {
    match wake {
        Wake::At(at) => Some(at.as_micros()),
        Wake::Keep | Wake::Never => None,
    }
}

fn all_of(written: u64, wanted: usize) -> Result<(), Error> {
    if u64::try_from(wanted).is_ok_and(|wanted| wanted == written) {
        return Ok(());
    }
    Err(Error::Conflict(format!("{written} of {wanted} sagas were as they had been loaded")))
}
