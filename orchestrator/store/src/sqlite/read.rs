//! Reading: by id, by key, the journal, definitions.

use saga_protocol::SagaId;
use sqlx::SqlitePool;

use super::{
    error::before_commit,
    rows::{self, array, columns},
};
use crate::{DefinitionRow, Error, JournalRow, Page, Row};

pub(super) async fn get(pool: &SqlitePool, ids: &[SagaId]) -> Result<Vec<Row>, Error> {
    let sql = concat!(
        "select ",
        columns!(),
        " from saga where id in (select value from json_each($1)) order by id"
    );
    let found = sqlx::query(sql).bind(array(ids)?).fetch_all(pool).await.map_err(before_commit)?;
    rows::all(&found, rows::saga)
}

pub(super) async fn find(
    pool: &SqlitePool,
    definition: &str,
    key: &str,
) -> Result<Option<Row>, Error> {
    // Two indexes know a key: one of who holds it, one of those who gave it back.
    let sql = concat!(
        "select ",
        columns!(),
        " from (
            select * from saga where key = $1 and definition = $2
                and status in ('running', 'compensating', 'stuck', 'completed')
            union all
            select * from (
                select * from saga where key = $1 and definition = $2
                    and status in ('compensated', 'partly_compensated', 'abandoned')
                order by id desc limit 1)
        ) order by id desc limit 1"
    );
    let found =
        sqlx::query(sql).bind(key).bind(definition).fetch_all(pool).await.map_err(before_commit)?;
    Ok(rows::all(&found, rows::saga)?.pop())
}

pub(super) async fn journal(
    pool: &SqlitePool,
    id: SagaId,
    page: &Page<i64>,
) -> Result<Vec<JournalRow>, Error> {
    let sql = "select at, version, entry from journal
        where saga_id = $1 and version > $2 order by version limit $3";
    let found = sqlx::query(sql)
        .bind(id.0.hyphenated())
        .bind(page.after.unwrap_or(0))
        .bind(i64::from(page.limit))
        .fetch_all(pool)
        .await
        .map_err(before_commit)?;
    rows::all(&found, rows::journal)
}

pub(super) async fn definitions(
    pool: &SqlitePool,
    hashes: &[String],
) -> Result<Vec<DefinitionRow>, Error> {
    let sql = "select hash, name, body from definition
        where hash in (select value from json_each($1)) order by hash";
    let found =
        sqlx::query(sql).bind(array(hashes)?).fetch_all(pool).await.map_err(before_commit)?;
    rows::all(&found, rows::definition)
}
