//! Lists, each in an order and by pages. Locks nothing.

use saga_protocol::{SagaId, Timestamp};
use sqlx::PgPool;
use uuid::Uuid;

use super::{
    error::before_commit,
    rows::{self, columns},
    stamp::Stamp,
    transaction::acquire,
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
                and ($4::text[] is null or status = any($4))
                and ($5::text is null or definition = $5)
                and ($6::timestamptz is null or created_at < $6)
                and ($7::text is null or key = $7)
                and ($8::text is null or (
                    status in ('running', 'compensating', 'stuck') and exists (
                        select from saga.steps_of(state) as step
                        where step.name = $8 and step.status in ('running', 'waiting', 'failed',
                            'compensating', 'compensation_failed'))))"
        ))
    };
}

/// All of them.
const OF_ALL: &str = page_of!("saga.saga");
/// Those that have a business key or had it. Two indexes know a key; they are few, and read before
/// any order is looked for.
const OF_KEY: &str = page_of!(
    "(
        select * from saga.saga where key = $7
            and status in ('running', 'compensating', 'stuck', 'completed')
        union all
        select * from saga.saga where key = $7
            and status in ('compensated', 'partly_compensated', 'abandoned')
        offset 0
    ) as saga"
);

pub(super) async fn list(
    pool: &PgPool,
    filter: &Filter,
    page: &Page<SagaId>,
) -> Result<Paged<Row>, Error> {
    let Filter { statuses, definition, step, key, created_before } = filter;
    let found = sqlx::query(if key.is_some() { OF_KEY } else { OF_ALL })
        // Planned for these very filters, each time.
        .persistent(false)
        .bind(i64::from(page.limit))
        .bind(paged::BYTES_MAX)
        .bind(newest_first(page.after, *created_before))
        .bind((!statuses.is_empty()).then_some(statuses))
        .bind(definition)
        .bind(created_before.map(Stamp))
        .bind(key)
        .bind(step)
        .fetch_all(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    rows::page(&found, rows::saga)
}

pub(super) async fn unended(pool: &PgPool, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
    // Each status is a stretch of the index in the order of ids.
    let sql = paged!(order: "id", size: size!(), page: concat!(
        "select ",
        columns!(),
        " from (
            (select * from saga.saga where status = 'running' and id > $3
            order by id limit $1 + 1)
            union all
            (select * from saga.saga where status = 'compensating' and id > $3
            order by id limit $1 + 1)
            union all
            (select * from saga.saga where status = 'stuck' and id > $3
            order by id limit $1 + 1)
        ) as saga"
    ));
    let found = sqlx::query(sql)
        .bind(i64::from(page.limit))
        .bind(paged::BYTES_MAX)
        .bind(page.after.map_or(Uuid::nil(), |id| id.0))
        .fetch_all(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    rows::page(&found, rows::saga)
}

pub(super) async fn waking(
    pool: &PgPool,
    page: &Page<(Timestamp, SagaId)>,
) -> Result<Paged<Row>, Error> {
    // The index knows times; those of one time are put in order as they are read.
    let sql = paged!(order: "wake_at, id", size: size!(), page: concat!(
        "select ",
        columns!(),
        " from saga.saga where wake_at is not null and (wake_at, id) > ($3, $4)"
    ));
    let (at, id) = page.after.unwrap_or((Timestamp::from_micros(i64::MIN), SagaId(Uuid::nil())));
    let found = sqlx::query(sql)
        .bind(i64::from(page.limit))
        .bind(paged::BYTES_MAX)
        .bind(Stamp(at))
        .bind(id.0)
        .fetch_all(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    rows::page(&found, rows::saga)
}
