//! Writing without deciding: later looks, sagas that nobody understands, definitions, partitions.
//! Each is one statement that may be repeated.

use std::time::Duration;

use sqlx::PgPool;

use super::{error::in_commit, stamp::Stamp, transaction::acquire};
use crate::{DefinitionRow, Error, Postpone, Sideline, letter::storable};

/// How many days ahead the journal has partitions: an orchestrator may be without leave to make
/// them for a week.
const DAYS_AHEAD: i32 = 7;

pub(super) async fn postpone(pool: &PgPool, wakes: &[Postpone]) -> Result<(), Error> {
    if wakes.is_empty() {
        return Ok(());
    }
    // Whoever holds a saga moves it on, and needs no postponing.
    let sql = "with held as (
            select saga.id, later.wake_at
            from saga.saga join unnest($1::uuid[], $2::bigint[], $3::timestamptz[])
                as later (id, version, wake_at) on saga.id = later.id
            where saga.version = later.version and saga.wake_at < later.wake_at
            order by saga.id for update of saga skip locked
        )
        update saga.saga set wake_at = held.wake_at from held where saga.id = held.id";
    sqlx::query(sql)
        .bind(wakes.iter().map(|wake| wake.id.0).collect::<Vec<_>>())
        .bind(wakes.iter().map(|wake| wake.version).collect::<Vec<_>>())
        .bind(wakes.iter().map(|wake| Stamp(wake.wake_at)).collect::<Vec<_>>())
        .execute(&mut *acquire(pool).await?)
        .await
        .map_err(in_commit)?;
    Ok(())
}

pub(super) async fn sideline(pool: &PgPool, sideline: &Sideline) -> Result<(), Error> {
    match sideline.until {
        Some(until) => look_later(pool, sideline, until).await,
        None => set_stuck(pool, sideline).await,
    }
}

async fn look_later(pool: &PgPool, sideline: &Sideline, until: Duration) -> Result<(), Error> {
    let sql = "update saga.saga set trouble = $2,
            wake_at = clock_timestamp() + $3 * interval '1 microsecond'
        where id = $1 and wake_at is not null";
    sqlx::query(sql)
        .bind(sideline.id.0)
        .bind(storable(&sideline.reason))
        .bind(i64::try_from(until.as_micros()).unwrap_or(i64::MAX))
        .execute(&mut *acquire(pool).await?)
        .await
        .map_err(in_commit)?;
    Ok(())
}

/// The column alone: the state stays as it is, for whoever can make sense of it later.
async fn set_stuck(pool: &PgPool, sideline: &Sideline) -> Result<(), Error> {
    let sql = "update saga.saga set status = 'stuck', trouble = 'internal_error: ' || $2,
            wake_at = null, updated_at = clock_timestamp()
        where id = $1 and finished_at is null";
    sqlx::query(sql)
        .bind(sideline.id.0)
        .bind(storable(&sideline.reason))
        .execute(&mut *acquire(pool).await?)
        .await
        .map_err(in_commit)?;
    Ok(())
}

pub(super) async fn put_definitions(
    pool: &PgPool,
    definitions: &[DefinitionRow],
) -> Result<(), Error> {
    if definitions.is_empty() {
        return Ok(());
    }
    let sql = "insert into saga.definition (hash, name, body)
        select hash, name, body::json
        from unnest($1::text[], $2::text[], $3::text[]) as definition (hash, name, body)
        order by hash
        on conflict do nothing";
    sqlx::query(sql)
        .bind(definitions.iter().map(|row| row.hash.as_str()).collect::<Vec<_>>())
        .bind(definitions.iter().map(|row| row.name.as_str()).collect::<Vec<_>>())
        .bind(definitions.iter().map(|row| row.body.get()).collect::<Vec<_>>())
        .execute(&mut *acquire(pool).await?)
        .await
        .map_err(in_commit)?;
    Ok(())
}

pub(super) async fn maintain(pool: &PgPool) -> Result<(), Error> {
    let made: i32 = sqlx::query_scalar("select saga.make_journal_partitions($1)")
        .bind(DAYS_AHEAD)
        .fetch_one(&mut *acquire(pool).await?)
        .await
        .map_err(in_commit)?;
    if made > 0 {
        tracing::info!(journal.partitions = made, "made partitions of the journal");
    }
    Ok(())
}
