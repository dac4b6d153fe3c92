//! The one way a saga changes: claim, decide, write, commit.

use std::collections::BTreeSet;

use saga_protocol::{SagaId, Timestamp};
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    error::before_commit,
    letters,
    rows::{self, columns},
    stamp::Stamp,
    transaction::Transaction,
};
use crate::{Claim, Claimed, Decide, Error, Update, Verdict, Wake};

pub(super) async fn transact(pool: &PgPool, claim: Claim, decide: Decide<'_>) -> Result<(), Error> {
    let mut transaction = Transaction::begin(pool).await?;
    let work = work(transaction.connection(), claim, decide).await;
    transaction.end(work).await
}

async fn work(
    connection: &mut PgConnection,
    claim: Claim,
    decide: Decide<'_>,
) -> Result<(), Error> {
    let claimed = match claim {
        Claim::Sagas(ids) => these(connection, ids).await?,
        Claim::Due(limit) => due(connection, limit).await?,
    };
    let now = claimed.now;
    let Verdict { updates, wakes, letters } = decide(claimed);
    if !updates.is_empty() {
        write(connection, now, &updates).await?;
    }
    if !wakes.is_empty() {
        wake(connection, &wakes).await?;
    }
    if !letters.is_empty() {
        letters::insert(connection, &letters).await.map_err(before_commit)?;
    }
    Ok(())
}

/// Locks sagas that nobody else holds, in the order of their ids; then tells apart the others.
async fn these(connection: &mut PgConnection, ids: Vec<SagaId>) -> Result<Claimed, Error> {
    // The outer join answers with the time even where nothing is locked.
    let sql = concat!(
        "select clock_timestamp() as now, claimed.*
        from (values (1)) as once left join lateral (
            select ",
        columns!(),
        " from saga.saga where id = any($1) order by id for update skip locked
        ) as claimed on true"
    );
    let asked: BTreeSet<Uuid> = ids.into_iter().map(|id| id.0).collect();
    let asked: Vec<Uuid> = asked.into_iter().collect();
    let locked = sqlx::query(sql).bind(&asked).fetch_all(&mut *connection).await;
    let mut claimed = read(&locked.map_err(before_commit)?)?;
    let held: BTreeSet<Uuid> = claimed.rows.iter().map(|row| row.id.0).collect();
    let rest: Vec<Uuid> = asked.into_iter().filter(|id| !held.contains(id)).collect();
    if rest.is_empty() {
        return Ok(claimed);
    }
    let sql = "select id from saga.saga where id = any($1)";
    let there = sqlx::query(sql).bind(&rest).fetch_all(connection).await.map_err(before_commit)?;
    let there: BTreeSet<Uuid> = rows::all(&there, |row| row.try_get("id"))?.into_iter().collect();
    let (busy, absent): (Vec<_>, Vec<_>) =
        rest.into_iter().map(SagaId).partition(|id| there.contains(&id.0));
    (claimed.busy, claimed.absent) = (busy, absent);
    Ok(claimed)
}

/// Locks sagas whose time has come and that nobody else holds, earliest first.
async fn due(connection: &mut PgConnection, limit: u32) -> Result<Claimed, Error> {
    // The time of the statement, since an index is not searched by a clock that goes on; what is
    // read is later than it.
    let sql = concat!(
        "select clock_timestamp() as now, claimed.*
        from (values (1)) as once left join lateral (
            select ",
        columns!(),
        " from saga.saga where wake_at <= statement_timestamp()
            order by wake_at limit $1 for update skip locked
        ) as claimed on true"
    );
    let locked = sqlx::query(sql).bind(i64::from(limit)).fetch_all(connection).await;
    read(&locked.map_err(before_commit)?)
}

/// What a claim answered: one row without an id where nothing was locked.
fn read(locked: &[PgRow]) -> Result<Claimed, Error> {
    let first = locked.first().ok_or_else(|| before_commit(sqlx::Error::RowNotFound))?;
    let now = rows::time(first, "now").map_err(before_commit)?;
    let nothing = first.try_get::<Option<Uuid>, _>("id").map_err(before_commit)?.is_none();
    let rows = if nothing { Vec::new() } else { rows::all(locked, rows::saga)? };
    Ok(Claimed { now, rows, busy: Vec::new(), absent: Vec::new() })
}

/// Writes the sagas and their journal; all of them, or none.
async fn write(
    connection: &mut PgConnection,
    now: Timestamp,
    updates: &[Update],
) -> Result<(), Error> {
    // What is to be kept is written as it is stored, which leaves its index alone.
    let sql = "with change as (
            select * from unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::text[],
                $6::timestamptz[], $7::text[], $8::boolean[], $9::timestamptz[],
                $10::timestamptz[])
            as change (id, loaded, version, status, paused_at, state, keep, wake_at, finished_at)
        ), changed as (
            update saga.saga set
                status = change.status,
                paused_at = change.paused_at,
                version = change.version,
                state = change.state::json,
                wake_at = case
                    when change.finished_at is not null then null
                    when not change.keep then change.wake_at
                    -- What runs must be looked at: at once, where nobody knows when.
                    when change.status in ('running', 'compensating') and change.paused_at is null
                        then coalesce(saga.wake_at, $1)
                    else saga.wake_at
                end,
                updated_at = $1,
                finished_at = change.finished_at,
                trouble = null
            from change where saga.id = change.id and saga.version = change.loaded
            returning saga.id
        ), journaled as (
            insert into saga.journal (at, saga_id, version, entry)
            select $1, entry.saga_id, entry.version, entry.entry::json
            from unnest($11::uuid[], $12::bigint[], $13::text[])
                as entry (saga_id, version, entry)
        )
        select count(*) from changed";
    let entries: Vec<_> = updates.iter().flat_map(Update::entries).collect();
    let wakes = updates.iter().map(|update| match update.wake {
        Wake::At(at) => Some(Stamp(at)),
        Wake::Keep | Wake::Never => None,
    });
    let changed: i64 = sqlx::query_scalar(sql)
        .bind(Stamp(now))
        .bind(updates.iter().map(|update| update.id.0).collect::<Vec<_>>())
        .bind(updates.iter().map(|update| update.loaded).collect::<Vec<_>>())
        .bind(updates.iter().map(Update::version).collect::<Vec<_>>())
        .bind(updates.iter().map(|update| update.status).collect::<Vec<_>>())
        .bind(updates.iter().map(|update| update.paused_at.map(Stamp)).collect::<Vec<_>>())
        .bind(updates.iter().map(|update| update.state.get()).collect::<Vec<_>>())
        .bind(updates.iter().map(|update| update.wake == Wake::Keep).collect::<Vec<_>>())
        .bind(wakes.collect::<Vec<_>>())
        .bind(updates.iter().map(|update| update.finished_at.map(Stamp)).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.0.0).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.1).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.2.get()).collect::<Vec<_>>())
        .fetch_one(connection)
        .await
        .map_err(before_commit)?;
    all_of(changed.unsigned_abs(), updates.len())
}

/// Moves `wake_at` of sagas that are locked.
async fn wake(connection: &mut PgConnection, wakes: &[(SagaId, Timestamp)]) -> Result<(), Error> {
    let sql = "update saga.saga set wake_at = later.wake_at
        from unnest($1::uuid[], $2::timestamptz[]) as later (id, wake_at)
        where saga.id = later.id";
    let woken = sqlx::query(sql)
        .bind(wakes.iter().map(|wake| wake.0.0).collect::<Vec<_>>())
        .bind(wakes.iter().map(|wake| Stamp(wake.1)).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map_err(before_commit)?;
    all_of(woken.rows_affected(), wakes.len())
}

fn all_of(written: u64, wanted: usize) -> Result<(), Error> {
    if u64::try_from(wanted).is_ok_and(|wanted| wanted == written) {
        return Ok(());
    }
    Err(Error::Conflict(format!("{written} of {wanted} sagas were as they had been loaded")))
}
