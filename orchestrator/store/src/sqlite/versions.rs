//! Versions of definitions.

use sqlx::{Row as _, SqlitePool, sqlite::SqliteRow};

use super::{
    error::before_commit,
    rows::{self, array},
};
use crate::{Error, InFlight, Version, Versions};

pub(super) async fn versions(pool: &SqlitePool, which: &Versions) -> Result<Vec<Version>, Error> {
    let query = match which {
        Versions::These(hashes) => sqlx::query(
            "select hash, name, first_seen from definition
            where hash in (select value from json_each($1)) order by first_seen desc, hash",
        )
        .bind(array(hashes)?),
        // One row for each time that somebody changed a file: few enough to be read.
        Versions::Newest { definition, limit } => sqlx::query(
            "select hash, name, first_seen from definition where name = $1
            order by first_seen desc, hash limit $2",
        )
        .bind(definition)
        .bind(i64::from(*limit)),
    };
    let found = query.fetch_all(pool).await.map_err(before_commit)?;
    rows::all(&found, |row| {
        Ok(Version {
            hash: row.try_get("hash")?,
            definition: row.try_get("name")?,
            first_seen: rows::time(row, "first_seen")?,
        })
    })
}

pub(super) async fn in_flight(pool: &SqlitePool) -> Result<Vec<InFlight>, Error> {
    let sql = "select definition, definition_hash,
            count(*) filter (where status = 'running') as running,
            count(*) filter (where status = 'compensating') as compensating,
            count(*) filter (where status = 'stuck') as stuck
        from saga where status in ('running', 'compensating', 'stuck')
        group by definition, definition_hash order by definition, definition_hash";
    let found = sqlx::query(sql).fetch_all(pool).await.map_err(before_commit)?;
    let count = |row: &SqliteRow, column: &str| -> Result<u64, sqlx::Error> {
        row.try_get::<i64, _>(column).map(i64::unsigned_abs)
    };
    rows::all(&found, |row| {
        Ok(InFlight {
            definition: row.try_get("definition")?,
            hash: row.try_get("definition_hash")?,
            running: count(row, "running")?,
            compensating: count(row, "compensating")?,
            stuck: count(row, "stuck")?,
        })
    })
}
