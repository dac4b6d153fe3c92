//! Reading: by id, by key, the journal, definitions. Locks nothing.

use saga_protocol::{SagaId, Timestamp};
use sqlx::{PgPool, Row as _};

use super::{
    error::before_commit,
    rows::{self, columns},
    transaction::acquire,
};
use crate::{DefinitionRow, Error, JournalRow, Page, Row};

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
