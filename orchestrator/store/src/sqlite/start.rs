//! Starting sagas: one insert for all of them, which the unique indexes judge, then a look at what
//! stood in the way of those that were not inserted.

use std::{collections::BTreeSet, fmt::Write as _};

use saga_protocol::{SagaId, Timestamp};
use serde::Serialize;
use sqlx::{Row as _, SqliteConnection, sqlite::SqliteRow};

use super::{
    Sqlite,
    change::{entries, journal, wake_at},
    error::before_commit,
    rows::{self, array, columns},
    transaction::Transaction,
};
use crate::{
    Error, Start, Started,
    settle::{Found, admissible, settle},
};

/// Inserts candidates; answers with the ids of those it inserted.
const INSERT: &str = "insert into saga (id, definition, definition_hash, key, idempotency_key,
        request_hash, status, paused_at, version, input, state, value_amount, value_currency,
        wake_at, created_at, updated_at, finished_at)
    select value ->> 'id', value ->> 'definition', value ->> 'definition_hash', value ->> 'key',
        value ->> 'idempotency_key', unhex(value ->> 'request_hash'), value ->> 'status',
        value ->> 'paused_at', value ->> 'version', value ->> 'input', value ->> 'state',
        value ->> 'value_amount', value ->> 'value_currency', value ->> 'wake_at',
        value ->> 'created_at', value ->> 'created_at', value ->> 'finished_at'
    from json_each($1) as candidate
    where value ->> 'idempotency_key' is not null or value ->> 'key' is null or not exists (
        -- Who held the key and gave it back gives it to a new idempotency key only.
        select 1 from saga as before
        where before.key = candidate.value ->> 'key'
            and before.definition = candidate.value ->> 'definition'
            and before.status in ('compensated', 'partly_compensated', 'abandoned'))
    order by candidate.key
    on conflict do nothing
    returning id";

pub(super) async fn start(sqlite: &Sqlite, starts: &[Start]) -> Result<Vec<Started>, Error> {
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let mut transaction = Transaction::begin(&sqlite.writer).await?;
    let work = work(transaction.connection(), starts).await;
    transaction.end(work).await
}

async fn work(connection: &mut SqliteConnection, starts: &[Start]) -> Result<Vec<Started>, Error> {
    let created = insert(connection, &admissible(starts)).await?;
    let others: Vec<_> = starts.iter().filter(|start| !created.contains(&start.id)).collect();
    let found = find(connection, &others).await?;
    let settle = |start: &Start| match created.contains(&start.id) {
        true => Ok(Started::Created),
        false => settle(start, &found),
    };
    starts.iter().map(settle).collect()
}

/// A saga that may be inserted, as the statement takes it.
#[derive(Serialize)]
struct Candidate<'a> {
    id: SagaId,
    definition: &'a str,
    definition_hash: &'a str,
    key: Option<&'a str>,
    idempotency_key: Option<&'a str>,
    request_hash: String,
    status: &'a str,
    paused_at: Option<i64>,
    version: i64,
    input: &'a str,
    state: &'a str,
    value_amount: Option<i64>,
    value_currency: Option<&'a str>,
    wake_at: Option<i64>,
    created_at: i64,
    finished_at: Option<i64>,
}

impl<'a> From<&'a Start> for Candidate<'a> {
    fn from(start: &'a Start) -> Self {
        let first = &start.first;
        Self {
            id: start.id,
            definition: &start.definition,
            definition_hash: &start.definition_hash,
            key: start.key.as_deref(),
            idempotency_key: start.idempotency_key.as_deref(),
            request_hash: hex(&start.request_hash),
            status: first.status,
            paused_at: first.paused_at.map(Timestamp::as_micros),
            version: first.version(),
            input: start.input.get(),
            state: first.state.get(),
            value_amount: start.value.as_ref().map(|value| value.0),
            value_currency: start.value.as_ref().map(|value| value.1.as_str()),
            wake_at: wake_at(first.wake),
            created_at: start.created_at.as_micros(),
            finished_at: first.finished_at.map(Timestamp::as_micros),
        }
    }
}

/// Inserts what nothing stands against, with its journal; which.
async fn insert(
    connection: &mut SqliteConnection,
    starts: &[&Start],
) -> Result<BTreeSet<SagaId>, Error> {
    let inserted = sqlx::query(INSERT)
        .bind(array(starts.iter().map(|start| Candidate::from(*start)))?)
        .fetch_all(&mut *connection)
        .await
        .map_err(before_commit)?;
    let created: BTreeSet<_> =
        rows::all(&inserted, |row| rows::saga_id(row, "id"))?.into_iter().collect();
    let born = starts.iter().filter(|start| created.contains(&start.id));
    journal(connection, born.flat_map(|start| entries(&start.first, start.created_at))).await?;
    Ok(created)
}

/// The sagas that stand in the way of these.
async fn find(connection: &mut SqliteConnection, starts: &[&Start]) -> Result<Vec<Found>, Error> {
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let sql = concat!(
        "with asked as (
            select value ->> 0 as id, value ->> 1 as definition, value ->> 2 as key,
                value ->> 3 as idempotency_key
            from json_each($1)
        )
        select idempotency_key, request_hash, ",
        columns!(),
        " from saga where id in (
            select saga.id from asked join saga on saga.id = asked.id
            union
            select saga.id from asked join saga
                on saga.definition = asked.definition
                and saga.idempotency_key = asked.idempotency_key
                and saga.idempotency_key is not null
            union
            select saga.id from asked join saga
                on saga.key = asked.key and saga.definition = asked.definition
                and saga.key is not null
                and saga.status in ('running', 'compensating', 'stuck', 'completed')
            union
            select (
                select saga.id from saga
                where saga.key = asked.key and saga.definition = asked.definition
                    and saga.status in ('compensated', 'partly_compensated', 'abandoned')
                order by saga.id desc limit 1)
            from asked)"
    );
    let asked = starts.iter().map(|start| {
        let idempotency_key = start.idempotency_key.as_deref();
        (start.id, &start.definition, start.key.as_deref(), idempotency_key)
    });
    let found =
        sqlx::query(sql).bind(array(asked)?).fetch_all(connection).await.map_err(before_commit)?;
    rows::all(&found, |row: &SqliteRow| {
        let (idempotency_key, request_hash) =
            (row.try_get("idempotency_key")?, row.try_get("request_hash")?);
        Ok(Found { row: rows::saga(row)?, idempotency_key, request_hash })
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        // A string takes whatever is written to it.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
