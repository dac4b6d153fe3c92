//! Lists, each in an order and by pages.

use saga_protocol::{SagaId, Timestamp};
use sqlx::SqlitePool;
use uuid::Uuid;

use super::{
    error::before_commit,
    rows::{self, array, columns},
};
use crate::{
    Error, Filter, Page, Paged, Row,
    page::newest_first,
    paged::{self, paged},
};

/// What a saga counts for on a page.
macro_rules! size {
    () => {
        "octet_length(input) + octet_length(state) + coalesce(octet_length(trouble), 0)"
    };
}

/// The statement for a page of these sagas, newest first.
macro_rules! page_of {
    ($sagas:literal) => {
        paged!(order: "id desc", size: size!(), page: concat!(
            "select ",
            columns!(),
            " from ",
            $sagas,
            " where id < $3
                and ($4 is null or status in (select value from json_each($4)))
                and ($5 is null or definition = $5)
                and ($6 is null or created_at < $6)
                and ($7 is null or key = $7)
                and ($8 is null or (
                    status in ('running', 'compensating', 'stuck') and exists (
                        select 1 from json_each(saga.state, '$.steps') as step
                        where step.value ->> 'name' = $8
                            and step.value ->> 'status' in ('running', 'waiting', 'failed',
                                'compensating', 'compensation_failed'))))"
        ))
    };
}

/// All of them.
const OF_ALL: &str = page_of!("saga");
/// Those that have a business key or had it: two indexes know a key.
const OF_KEY: &str = page_of!(
    "(
        select * from saga where key = $7
            and status in ('running', 'compensating', 'stuck', 'completed')
        union all
        select * from saga where key = $7
            and status in ('compensated', 'partly_compensated', 'abandoned')
    ) as saga"
);

pub(super) async fn list(
    pool: &SqlitePool,
    filter: &Filter,
    page: &Page<SagaId>,
) -> Result<Paged<Row>, Error> {
    let Filter { statuses, definition, step, key, created_before } = filter;
    let statuses = (!statuses.is_empty()).then(|| array(statuses)).transpose()?;
    let found = sqlx::query(if key.is_some() { OF_KEY } else { OF_ALL })
        .bind(i64::from(page.limit))
        .bind(paged::BYTES_MAX)
        .bind(newest_first(page.after, *created_before).hyphenated())
        .bind(statuses)
        .bind(definition)
        .bind(created_before.map(Timestamp::as_micros))
        .bind(key)
        .bind(step)
        .fetch_all(pool)
        .await
        .map_err(before_commit)?;
    rows::page(&found, rows::saga)
}

pub(super) async fn unended(pool: &SqlitePool, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
    let sql = paged!(order: "id", size: size!(), page: concat!(
        "select ",
        columns!(),
        " from saga where status in ('running', 'compensating', 'stuck') and id > $3"
    ));
    let found = sqlx::query(sql)
        .bind(i64::from(page.limit))
        .bind(paged::BYTES_MAX)
        .bind(page.after.map_or(Uuid::nil(), |id| id.0).hyphenated())
        .fetch_all(pool)
        .await
        .map_err(before_commit)?;
    rows::page(&found, rows::saga)
}

pub(super) async fn waking(
    pool: &SqlitePool,
    page: &Page<(Timestamp, SagaId)>,
) -> Result<Paged<Row>, Error> {
    let sql = paged!(order: "wake_at, id", size: size!(), page: concat!(
        "select ",
        columns!(),
        " from saga where wake_at is not null and (wake_at, id) > ($3, $4)"
    ));
    let (at, id) = page.after.unwrap_or((Timestamp::from_micros(i64::MIN), SagaId(Uuid::nil())));
    let found = sqlx::query(sql)
        .bind(i64::from(page.limit))
        .bind(paged::BYTES_MAX)
        .bind(at.as_micros())
        .bind(id.0.hyphenated())
        .fetch_all(pool)
        .await
        .map_err(before_commit)?;
    rows::page(&found, rows::saga)
}
