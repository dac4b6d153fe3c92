//! Dead letters.

use sqlx::PgConnection;

use crate::DeadLetter;

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

/// Text as Postgres keeps it: without NUL. What is kept for a human must never be refused.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
