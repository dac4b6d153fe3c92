//! Dead letters: kept, listed, closed.

use bytes::Bytes;
use saga_protocol::Timestamp;
use sqlx::{Row as _, SqliteConnection, SqlitePool, sqlite::SqliteRow};
use uuid::Uuid;

use super::{Sqlite, error::before_commit, rows, transaction::Transaction};
use crate::{
    Closed, ClosedAs, Closure, DeadLetter, DeadLetterRow, Error, Letters, Page, Paged,
    letter::storable,
    paged::{self, paged},
};

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "id, at, source, reason, headers, body, sha256, closed_at, closed_as, closed_by, closed_why"
    };
}

/// What a letter counts for on a page.
macro_rules! size {
    () => {
        "octet_length(headers) + octet_length(body) + octet_length(reason)"
    };
}

pub(super) async fn park(sqlite: &Sqlite, letters: &[DeadLetter]) -> Result<(), Error> {
    if letters.is_empty() {
        return Ok(());
    }
    let mut transaction = Transaction::begin(&sqlite.writer).await?;
    let inserted = insert(transaction.connection(), sqlite.clock.now(), letters).await;
    transaction.end(inserted).await
}

/// Keeps letters; one that is there already is left as it is.
pub(super) async fn insert(
    connection: &mut SqliteConnection,
    now: Timestamp,
    letters: &[DeadLetter],
) -> Result<(), Error> {
    let sql = "insert into dead_letter (id, at, source, reason, headers, body, sha256)
        values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing";
    for letter in letters {
        sqlx::query(sql)
            .bind(letter.id.hyphenated())
            .bind(now.as_micros())
            .bind(storable(&letter.source))
            .bind(storable(&letter.reason))
            .bind(letter.headers.get())
            .bind(&letter.body[..])
            .bind(&letter.sha256[..])
            .execute(&mut *connection)
            .await
            .map_err(before_commit)?;
    }
    Ok(())
}

pub(super) async fn list(
    pool: &SqlitePool,
    which: Letters,
    page: &Page<(Timestamp, Uuid)>,
) -> Result<Paged<DeadLetterRow>, Error> {
    let sql = paged!(order: "at desc, id desc", size: size!(), page: concat!(
        "select ",
        columns!(),
        " from dead_letter where (at, id) < ($3, $4) and ($5 or closed_at is null)"
    ));
    let (at, id) = page.after.unwrap_or((Timestamp::from_micros(i64::MAX), Uuid::max()));
    let found = sqlx::query(sql)
        .bind(i64::from(page.limit))
        .bind(paged::BYTES_MAX)
        .bind(at.as_micros())
        .bind(id.hyphenated())
        .bind(which == Letters::All)
        .fetch_all(pool)
        .await
        .map_err(before_commit)?;
    rows::page(&found, read)
}

pub(super) async fn get(pool: &SqlitePool, id: Uuid) -> Result<Option<DeadLetterRow>, Error> {
    let sql = concat!("select ", columns!(), " from dead_letter where id = $1");
    let found =
        sqlx::query(sql).bind(id.hyphenated()).fetch_optional(pool).await.map_err(before_commit)?;
    found.map(|row| read(&row)).transpose().map_err(before_commit)
}

/// Closes a letter that is open; whether one was.
pub(super) async fn close(sqlite: &Sqlite, id: Uuid, closure: &Closure) -> Result<bool, Error> {
    let sql = "update dead_letter
        set closed_at = $2, closed_as = $3, closed_by = $4, closed_why = $5
        where id = $1 and closed_at is null";
    let mut transaction = Transaction::begin(&sqlite.writer).await?;
    let closed = sqlx::query(sql)
        .bind(id.hyphenated())
        .bind(sqlite.clock.now().as_micros())
        .bind(closure.how.as_str())
        .bind(storable(&closure.by))
        .bind(storable(&closure.why))
        .execute(transaction.connection())
        .await
        .map_err(before_commit);
    transaction.end(closed.map(|closed| closed.rows_affected() > 0)).await
}

fn read(row: &SqliteRow) -> Result<DeadLetterRow, sqlx::Error> {
    let sha256: Vec<u8> = row.try_get("sha256")?;
    let body: Vec<u8> = row.try_get("body")?;
    Ok(DeadLetterRow {
        id: rows::uuid(row, "id")?,
        at: rows::time(row, "at")?,
        source: row.try_get("source")?,
        reason: row.try_get("reason")?,
        headers: rows::json(row, "headers")?,
        body: Bytes::from(body),
        sha256: sha256.try_into().map_err(|_| broken("sha256"))?,
        closed: closed(row)?,
    })
}

fn closed(row: &SqliteRow) -> Result<Option<Closed>, sqlx::Error> {
    let Some(at) = rows::time_or_null(row, "closed_at")? else {
        return Ok(None);
    };
    Ok(Some(Closed {
        at,
        how: ClosedAs::of(row.try_get("closed_as")?).ok_or_else(|| broken("closed_as"))?,
        by: row.try_get("closed_by")?,
        why: row.try_get("closed_why")?,
    }))
}

/// A column with what its check refuses.
fn broken(column: &str) -> sqlx::Error {
    let source = "it is not what this program knows".into();
    sqlx::Error::ColumnDecode { index: column.to_owned(), source }
}
