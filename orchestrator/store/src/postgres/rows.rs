//! Rows of Postgres as rows of the port.

use saga_protocol::{Json, SagaId, Timestamp};
use serde_json::value::RawValue;
use sqlx::{Row as _, postgres::PgRow};

use super::{error::before_commit, stamp::Stamp};
use crate::{DefinitionRow, Error, JournalRow, Paged, Row};

/// The columns that [`saga`] reads; payloads as text, byte for byte.
macro_rules! columns {
    () => {
        "id, definition, definition_hash, key, status, paused_at, version, input::text as input,
         state::text as state, value_amount, value_currency, wake_at, created_at, updated_at,
         finished_at, trouble"
    };
}
pub(super) use columns;

/// All rows, each read by `read`.
pub(super) fn all<T>(
    rows: &[PgRow],
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, Error> {
    rows.iter().map(read).collect::<Result<_, _>>().map_err(before_commit)
}

/// What a statement of [`paged!`](crate::paged::paged) answered.
pub(super) fn page<T>(
    found: &[PgRow],
    read: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<Paged<T>, Error> {
    let more = match found.last() {
        Some(last) => last.try_get("more").map_err(before_commit)?,
        None => false,
    };
    Ok(Paged { items: all(found, read)?, more })
}

pub(super) fn saga(row: &PgRow) -> Result<Row, sqlx::Error> {
    let amount: Option<i64> = row.try_get("value_amount")?;
    Ok(Row {
        id: SagaId(row.try_get("id")?),
        definition: row.try_get("definition")?,
        definition_hash: row.try_get("definition_hash")?,
        key: row.try_get("key")?,
        status: row.try_get("status")?,
        paused_at: time_or_null(row, "paused_at")?,
        version: row.try_get("version")?,
        input: json(row, "input")?,
        state: json(row, "state")?,
        value: amount.zip(row.try_get("value_currency")?),
        wake_at: time_or_null(row, "wake_at")?,
        created_at: time(row, "created_at")?,
        updated_at: time(row, "updated_at")?,
        finished_at: time_or_null(row, "finished_at")?,
        trouble: row.try_get("trouble")?,
    })
}

pub(super) fn journal(row: &PgRow) -> Result<JournalRow, sqlx::Error> {
    Ok(JournalRow {
        at: time(row, "at")?,
        version: row.try_get("version")?,
        entry: json(row, "entry")?,
    })
}

pub(super) fn definition(row: &PgRow) -> Result<DefinitionRow, sqlx::Error> {
    Ok(DefinitionRow {
        hash: row.try_get("hash")?,
        name: row.try_get("name")?,
        body: json(row, "body")?,
    })
}

pub(super) fn time(row: &PgRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    row.try_get::<Stamp, _>(column).map(|stamp| stamp.0)
}

pub(super) fn time_or_null(row: &PgRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    row.try_get::<Option<Stamp>, _>(column).map(|stamp| stamp.map(|stamp| stamp.0))
}

pub(super) fn json(row: &PgRow, column: &str) -> Result<Json, sqlx::Error> {
    RawValue::from_string(row.try_get(column)?).map_err(|error| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: error.into(),
    })
}
