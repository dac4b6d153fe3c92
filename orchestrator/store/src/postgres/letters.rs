//! Dead letters: kept, listed, closed.

use bytes::Bytes;
use saga_protocol::Timestamp;
use sqlx::{PgConnection, PgPool, Row as _, postgres::PgRow};
use uuid::Uuid;

use super::{
    error::{before_commit, in_commit},
    rows,
    stamp::Stamp,
    transaction::acquire,
};
use crate::{
    Closed, ClosedAs, Closure, DeadLetter, DeadLetterRow, Error, Letters, Page, Paged,
    letter::storable,
    paged::{self, paged},
};

/// The columns that [`read`] reads.
macro_rules! columns {
    () => {
        "id, at, source, reason, headers::text as headers, body, sha256, closed_at, closed_as,
         closed_by, closed_why"
    };
}

/// What a letter counts for on a page.
macro_rules! size {
    () => {
        "octet_length(headers) + octet_length(body) + octet_length(reason)"
    };
}

pub(super) async fn park(pool: &PgPool, letters: &[DeadLetter]) -> Result<(), Error> {
    if letters.is_empty() {
        return Ok(());
    }
    insert(&mut *acquire(pool).await?, letters).await.map_err(in_commit)
}

/// Keeps letters; one that is there already is left as it is.
pub(super) async fn insert(
    connection: &mut PgConnection,
    letters: &[DeadLetter],
) -> Result<(), sqlx::Error> {
    let sql = "insert into saga.dead_letter (id, source, reason, headers, body, sha256)
        select id, source, reason, headers::json, body, sha256
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[])
            as letter (id, source, reason, headers, body, sha256)
        order by id
        on conflict do nothing";
    sqlx::query(sql)
        .bind(letters.iter().map(|letter| letter.id).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| storable(&letter.source)).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| storable(&letter.reason)).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| letter.headers.get()).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| &letter.body[..]).collect::<Vec<_>>())
        .bind(letters.iter().map(|letter| &letter.sha256[..]).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn list(
    pool: &PgPool,
    which: Letters,
    page: &Page<(Timestamp, Uuid)>,
) -> Result<Paged<DeadLetterRow>, Error> {
    let sql = paged!(order: "at desc, id desc", size: size!(), page: concat!(
        "select ",
        columns!(),
        " from saga.dead_letter where (at, id) < ($3, $4) and ($5 or closed_at is null)"
    ));
    let (at, id) = page.after.unwrap_or((Timestamp::from_micros(i64::MAX), Uuid::max()));
    let found = sqlx::query(sql)
        // Planned for what is asked: the open ones have an index of their own.
        .persistent(false)
        .bind(i64::from(page.limit))
        .bind(paged::BYTES_MAX)
        .bind(Stamp(at))
        .bind(id)
        .bind(which == Letters::All)
        .fetch_all(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    rows::page(&found, read)
}

pub(super) async fn get(pool: &PgPool, id: Uuid) -> Result<Option<DeadLetterRow>, Error> {
    let sql = concat!("select ", columns!(), " from saga.dead_letter where id = $1");
    let found = sqlx::query(sql)
        .bind(id)
        .fetch_optional(&mut *acquire(pool).await?)
        .await
        .map_err(before_commit)?;
    found.map(|row| read(&row)).transpose().map_err(before_commit)
}

/// Closes a letter that is open; whether one was.
pub(super) async fn close(pool: &PgPool, id: Uuid, closure: &Closure) -> Result<bool, Error> {
    let sql = "update saga.dead_letter
        set closed_at = clock_timestamp(), closed_as = $2, closed_by = $3, closed_why = $4
        where id = $1 and closed_at is null";
    let closed = sqlx::query(sql)
        .bind(id)
        .bind(closure.how.as_str())
        .bind(storable(&closure.by))
        .bind(storable(&closure.why))
        .execute(&mut *acquire(pool).await?)
        .await
        .map_err(in_commit)?;
    Ok(closed.rows_affected() > 0)
}

fn read(row: &PgRow) -> Result<DeadLetterRow, sqlx::Error> {
    let sha256: Vec<u8> = row.try_get("sha256")?;
    let body: Vec<u8> = row.try_get("body")?;
    Ok(DeadLetterRow {
        id: row.try_get("id")?,
        at: rows::time(row, "at")?,
        source: row.try_get("source")?,
        reason: row.try_get("reason")?,
        headers: rows::json(row, "headers")?,
        body: Bytes::from(body),
        sha256: sha256.try_into().map_err(|_| broken("sha256"))?,
        closed: closed(row)?,
    })
}

fn closed(row: &PgRow) -> Result<Option<Closed>, sqlx::Error> {
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
    let source = "it is not what this binary knows".into();
    sqlx::Error::ColumnDecode { index: column.to_owned(), source }
}
