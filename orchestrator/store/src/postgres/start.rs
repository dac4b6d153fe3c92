//! Starting sagas: one insert for all of them, which the unique indexes judge, then a look at what
//! stood in the way of those that were not inserted.

use std::collections::BTreeSet;

use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    error::before_commit,
    rows::{self, columns},
    stamp::Stamp,
    transaction::Transaction,
};
use crate::{
    Error, Start, Started, Wake,
    settle::{Found, admissible, settle},
};

/// Inserts candidates with their journal; answers with the ids of those it inserted.
const INSERT: &str = "with candidate as (
        select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[],
            $6::bytea[], $7::text[], $8::timestamptz[], $9::bigint[], $10::text[], $11::text[],
            $12::bigint[], $13::text[], $14::timestamptz[], $15::timestamptz[],
            $16::timestamptz[]) with ordinality
        as candidate (id, definition, definition_hash, key, idempotency_key, request_hash,
            status, paused_at, version, input, state, value_amount, value_currency, wake_at,
            created_at, finished_at, position)
    ), born as (
        insert into saga.saga (id, definition, definition_hash, key, idempotency_key,
            request_hash, status, paused_at, version, input, state, value_amount,
            value_currency, wake_at, created_at, updated_at, finished_at)
        select id, definition, definition_hash, key, idempotency_key, request_hash, status,
            paused_at, version, input::json, state::json, value_amount, value_currency,
            wake_at, created_at, created_at, finished_at
        from candidate
        where idempotency_key is not null or key is null or not exists (
            -- Who held the key and gave it back gives it to a new idempotency key only.
            select from saga.saga as before
            where before.key = candidate.key and before.definition = candidate.definition
                and before.status in ('compensated', 'partly_compensated', 'abandoned'))
        order by position
        on conflict do nothing
        returning id, created_at
    ), journaled as (
        insert into saga.journal (at, saga_id, version, entry)
        select born.created_at, born.id, entry.version, entry.entry::json
        from unnest($17::uuid[], $18::bigint[], $19::text[])
            as entry (saga_id, version, entry)
        join born on born.id = entry.saga_id
    )
    select id from born";

pub(super) async fn start(pool: &PgPool, starts: &[Start]) -> Result<Vec<Started>, Error> {
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let mut transaction = Transaction::begin(pool).await?;
    let work = work(transaction.connection(), starts).await;
    transaction.end(work).await
}

async fn work(connection: &mut PgConnection, starts: &[Start]) -> Result<Vec<Started>, Error> {
    let created = insert(connection, &admissible(starts)).await?;
    let others: Vec<_> = starts.iter().filter(|start| !created.contains(&start.id.0)).collect();
    let found = find(connection, &others).await?;
    let settle = |start: &Start| match created.contains(&start.id.0) {
        true => Ok(Started::Created),
        false => settle(start, &found),
    };
    starts.iter().map(settle).collect()
}

/// Inserts what nothing stands against; which.
async fn insert(connection: &mut PgConnection, starts: &[&Start]) -> Result<BTreeSet<Uuid>, Error> {
    let each = |column: fn(&Start) -> Option<&str>| -> Vec<_> {
        starts.iter().map(|start| column(start)).collect()
    };
    let entries: Vec<_> = starts.iter().flat_map(|start| start.first.entries()).collect();
    let wakes = starts.iter().map(|start| match start.first.wake {
        Wake::At(at) => Some(Stamp(at)),
        Wake::Keep | Wake::Never => None,
    });
    let inserted = sqlx::query(INSERT)
        .bind(starts.iter().map(|start| start.id.0).collect::<Vec<_>>())
        .bind(each(|start| Some(&start.definition)))
        .bind(each(|start| Some(&start.definition_hash)))
        .bind(each(|start| start.key.as_deref()))
        .bind(each(|start| start.idempotency_key.as_deref()))
        .bind(starts.iter().map(|start| &start.request_hash[..]).collect::<Vec<_>>())
        .bind(each(|start| Some(start.first.status)))
        .bind(starts.iter().map(|start| start.first.paused_at.map(Stamp)).collect::<Vec<_>>())
        .bind(starts.iter().map(|start| start.first.version()).collect::<Vec<_>>())
        .bind(each(|start| Some(start.input.get())))
        .bind(each(|start| Some(start.first.state.get())))
        .bind(starts.iter().map(|start| start.value.as_ref().map(|v| v.0)).collect::<Vec<_>>())
        .bind(each(|start| start.value.as_ref().map(|value| value.1.as_str())))
        .bind(wakes.collect::<Vec<_>>())
        .bind(starts.iter().map(|start| Stamp(start.created_at)).collect::<Vec<_>>())
        .bind(starts.iter().map(|start| start.first.finished_at.map(Stamp)).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.0.0).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.1).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.2.get()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(before_commit)?;
    Ok(rows::all(&inserted, |row| row.try_get("id"))?.into_iter().collect())
}

/// The sagas that stand in the way of these, by a statement of its own: the insert that waited for
/// another transaction does not see what that one wrote.
async fn find(connection: &mut PgConnection, starts: &[&Start]) -> Result<Vec<Found>, Error> {
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let sql = concat!(
        "with asked as (
            select * from unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
                as asked (id, definition, key, idempotency_key)
        ), found as (
            select saga.id from asked join saga.saga on saga.id = asked.id
            union
            select saga.id from asked join saga.saga
                on saga.definition = asked.definition
                and saga.idempotency_key = asked.idempotency_key
                and saga.idempotency_key is not null
            union
            select saga.id from asked join saga.saga
                on saga.key = asked.key and saga.definition = asked.definition
                and saga.key is not null
                and saga.status in ('running', 'compensating', 'stuck', 'completed')
            union
            select newest.id from asked cross join lateral (
                select saga.id from saga.saga
                where saga.key = asked.key and saga.definition = asked.definition
                    and saga.status in ('compensated', 'partly_compensated', 'abandoned')
                order by saga.id desc limit 1) as newest
        )
        select idempotency_key, request_hash, ",
        columns!(),
        " from saga.saga where id in (select id from found)"
    );
    let found = sqlx::query(sql)
        .bind(starts.iter().map(|start| start.id.0).collect::<Vec<_>>())
        .bind(starts.iter().map(|start| start.definition.as_str()).collect::<Vec<_>>())
        .bind(starts.iter().map(|start| start.key.as_deref()).collect::<Vec<_>>())
        .bind(starts.iter().map(|start| start.idempotency_key.as_deref()).collect::<Vec<_>>())
        .fetch_all(connection)
        .await
        .map_err(before_commit)?;
    rows::all(&found, |row: &PgRow| {
        let (idempotency_key, request_hash) =
            (row.try_get("idempotency_key")?, row.try_get("request_hash")?);
        Ok(Found { row: rows::saga(row)?, idempotency_key, request_hash })
    })
}
