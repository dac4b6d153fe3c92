//! Reading: by id, by key, lists, the journal, definitions. Locks nothing.

use saga_protocol::{SagaId, Timestamp, limits};
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

use super::{
    error::before_commit,
    rows::{self, columns},
    stamp::Stamp,
    transaction::acquire,
};
use crate::{DefinitionRow, Error, Filter, JournalRow, Page, Row};

pub(super) async fn get(pool: &PgPool, ids: &[SagaId]) -> Result<Vec<Row>, Error> {
    let sql = concat!("select ", columns!(), " from saga.saga where id = any($1) order by id");
    let found = sqlx::query(sql)
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .fetch_all(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    rows::all(&found, rows::saga)
}

pub(super) async fn find(pool: &PgPool, definition: &str, key: &str) -> Result<Option<Row>, Error> {
    // Two indexes know a key: one of who holds it, one of those who gave it back.
    let sql = concat!(
        "select ",
        columns!(),
        " from (
            (select * from saga.saga where key = $1 and definition = $2
                and status in ('running', 'compensating', 'stuck', 'completed'))
            union all
            (select * from saga.saga where key = $1 and definition = $2
                and status in ('compensated', 'partly_compensated', 'abandoned')
            order by id desc limit 1)
        ) as saga order by id desc limit 1"
    );
    let found = sqlx::query(sql)
        .bind(key)
        .bind(definition)
        .fetch_all(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    Ok(rows::all(&found, rows::saga)?.pop())
}

pub(super) async fn list(
    pool: &PgPool,
    filter: &Filter,
    page: &Page<SagaId>,
) -> Result<Vec<Row>, Error> {
    let Filter { statuses, definition, step, key, created_before } = filter;
    let sql = concat!(
        "select ",
        columns!(),
        " from saga.saga
        where id < $1
            and ($2::text[] is null or status = any($2))
            and ($3::text is null or definition = $3)
            and ($4::timestamptz is null or created_at < $4)
            and ($5::text is null or id in (
                select id from saga.saga where key = $5
                    and status in ('running', 'compensating', 'stuck', 'completed')
                union all
                select id from saga.saga where key = $5
                    and status in ('compensated', 'partly_compensated', 'abandoned')))
            and ($6::text is null or (
                status in ('running', 'compensating', 'stuck') and exists (
                    select from saga.steps_of(state) as step
                    where step.name = $6 and step.status in ('running', 'waiting', 'failed',
                        'compensating', 'compensation_failed'))))
        order by id desc limit $7"
    );
    let found = sqlx::query(sql)
        // Planned for these very filters, each time.
        .persistent(false)
        .bind(bound(page.after, *created_before))
        .bind((!statuses.is_empty()).then_some(statuses))
        .bind(definition)
        .bind(created_before.map(Stamp))
        .bind(key)
        .bind(step)
        .bind(i64::from(page.limit))
        .fetch_all(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    rows::all(&found, rows::saga)
}

/// All of a page have smaller ids than this. Ids begin with the milliseconds of their making, so
/// sagas that are too young need not be read to be passed over.
fn bound(after: Option<SagaId>, created_before: Option<Timestamp>) -> Uuid {
    let created = created_before.map(|before| {
        let millis = before.after(limits::CLOCK_SKEW_MAX).as_micros() / 1_000;
        Uuid::from_u128(u128::try_from(millis).unwrap_or(0).saturating_add(1) << 80)
    });
    let after = after.map(|id| id.0);
    after.into_iter().chain(created).min().unwrap_or(Uuid::max())
}

pub(super) async fn active(
    pool: &PgPool,
    after: Option<SagaId>,
    limit: u32,
) -> Result<Vec<Row>, Error> {
    // Each status is a stretch of the index in the order of ids.
    let sql = concat!(
        "select ",
        columns!(),
        " from (
            (select * from saga.saga where status = 'running' and id > $1 order by id limit $2)
            union all
            (select * from saga.saga where status = 'compensating' and id > $1
            order by id limit $2)
        ) as saga order by id limit $2"
    );
    let found = sqlx::query(sql)
        .bind(after.map_or(Uuid::nil(), |id| id.0))
        .bind(i64::from(limit))
        .fetch_all(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    rows::all(&found, rows::saga)
}

pub(super) async fn journal(
    pool: &PgPool,
    id: SagaId,
    page: &Page<i64>,
) -> Result<Vec<JournalRow>, Error> {
    // A saga has no entries in the partitions before its own day; a day more, for clocks.
    let sql = "select at, version, entry::text as entry from saga.journal
        where saga_id = $1 and version > $2
            and at >= (select created_at - interval '1 day' from saga.saga where id = $1)
        order by version limit $3";
    let found = sqlx::query(sql)
        .bind(id.0)
        .bind(page.after.unwrap_or(0))
        .bind(i64::from(page.limit))
        .fetch_all(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    rows::all(&found, rows::journal)
}

pub(super) async fn definitions(
    pool: &PgPool,
    hashes: &[String],
) -> Result<Vec<DefinitionRow>, Error> {
    let sql = "select hash, name, body::text as body from saga.definition
        where hash = any($1) order by hash";
    let found = sqlx::query(sql)
        .bind(hashes)
        .fetch_all(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    rows::all(&found, rows::definition)
}

pub(super) async fn now(pool: &PgPool) -> Result<Timestamp, Error> {
    let sql = "select clock_timestamp() as now,
        current_setting('transaction_read_only')::boolean as read_only";
    let row =
        sqlx::query(sql).fetch_one(&mut *acquire(pool).await?).await.map_err(before_commit)?;
    if row.try_get("read_only").map_err(before_commit)? {
        return Err(Error::Transient("it is read-only, as a standby is".to_owned()));
    }
    rows::time(&row, "now").map_err(before_commit)
}
