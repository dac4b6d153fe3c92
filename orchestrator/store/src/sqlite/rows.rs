//! Rows of SQLite as rows of the port, and values as statements take many of them: in one JSON
//! array, which `json_each` takes apart.

use saga_protocol::{Json, SagaId, Timestamp};
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::{Row as _, sqlite::SqliteRow};
use uuid::{Uuid, fmt::Hyphenated};

use super::error::before_commit;
use crate::{DefinitionRow, Error, JournalRow, Paged, Row};

/// The columns that [`saga`] reads.
macro_rules! columns {
    () => {
        "id, definition, definition_hash, key, status, paused_at, version, input, state,
         value_amount, value_currency, wake_at, created_at, updated_at, finished_at, trouble"
    };
}
pub(super) use columns;

/// As a statement takes them.
pub(super) fn array<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<String, Error> {
    let items: Vec<T> = items.into_iter().collect();
    serde_json::to_string(&items).map_err(|error| Error::Permanent(error.to_string()))
}

/// All rows, each read by `read`.
pub(super) fn all<T>(
    rows: &[SqliteRow],
    read: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Result<Vec<T>, Error> {
    rows.iter().map(read).collect::<Result<_, _>>().map_err(before_commit)
}

/// What a statement of [`paged!`](crate::paged::paged) answered.
pub(super) fn page<T>(
    found: &[SqliteRow],
    read: impl Fn(&SqliteRow) -> Result<T, sqlx::Error>,
) -> Result<Paged<T>, Error> {
    let more = match found.last() {
        Some(last) => last.try_get("more").map_err(before_commit)?,
        None => false,
    };
    Ok(Paged { items: all(found, read)?, more })
}

pub(super) fn saga(row: &SqliteRow) -> Result<Row, sqlx::Error> {
    let amount: Option<i64> = row.try_get("value_amount")?;
    Ok(Row {
        id: saga_id(row, "id")?,
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

pub(super) fn journal(row: &SqliteRow) -> Result<JournalRow, sqlx::Error> {
    Ok(JournalRow {
        at: time(row, "at")?,
        version: row.try_get("version")?,
        entry: json(row, "entry")?,
    })
}

pub(super) fn definition(row: &SqliteRow) -> Result<DefinitionRow, sqlx::Error> {
    Ok(DefinitionRow {
        hash: row.try_get("hash")?,
        name: row.try_get("name")?,
        body: json(row, "body")?,
    })
}

pub(super) fn saga_id(row: &SqliteRow, column: &str) -> Result<SagaId, sqlx::Error> {
    uuid(row, column).map(SagaId)
}

pub(super) fn uuid(row: &SqliteRow, column: &str) -> Result<Uuid, sqlx::Error> {
    row.try_get::<Hyphenated, _>(column).map(Hyphenated::into_uuid)
}

pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp, sqlx::Error> {
    row.try_get(column).map(Timestamp::from_micros)
}

pub(super) fn time_or_null(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<Timestamp>, sqlx::Error> {
    let micros: Option<i64> = row.try_get(column)?;
    Ok(micros.map(Timestamp::from_micros))
}

pub(super) fn json(row: &SqliteRow, column: &str) -> Result<Json, sqlx::Error> {
    RawValue::from_string(row.try_get(column)?).map_err(|error| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: error.into(),
    })
}
