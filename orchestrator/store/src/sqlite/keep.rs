//! Writing without deciding: later looks, sagas that nobody understands, definitions. Each may be
//! repeated.

use serde::Serialize;

use super::{Sqlite, error::before_commit, rows::array, transaction::Transaction};
use crate::{DefinitionRow, Error, Postpone, Sideline, letter::storable};

pub(super) async fn postpone(sqlite: &Sqlite, wakes: &[Postpone]) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Later {
        id: saga_protocol::SagaId,
        version: i64,
        wake_at: i64,
    }
    // Whoever holds a saga moves it on, and needs no postponing.
    let held = sqlite.locks.take(wakes.iter().map(|wake| wake.id), wakes.len());
    let free = wakes.iter().filter(|wake| held.has(wake.id));
    let later = free.map(|wake| Later {
        id: wake.id,
        version: wake.version,
        wake_at: wake.wake_at.as_micros(),
    });
    let sql = "update saga set wake_at = later.wake_at
        from (select value ->> 'id' as id, value ->> 'version' as version,
            value ->> 'wake_at' as wake_at from json_each($1)) as later
        where saga.id = later.id and saga.version = later.version
            and saga.wake_at < later.wake_at";
    let later = array(later)?;
    write(sqlite, sqlx::query(sql).bind(later)).await
}

/// Waits for whoever holds the saga, since what is set aside is set aside whatever else happens.
pub(super) async fn sideline(sqlite: &Sqlite, sideline: &Sideline) -> Result<(), Error> {
    let _held = sqlite.locks.wait_for(sideline.id).await?;
    let (now, id) = (sqlite.clock.now(), sideline.id.0.hyphenated());
    let reason = storable(&sideline.reason);
    let query = match sideline.until {
        Some(until) => sqlx::query(
            "update saga set trouble = $2, wake_at = $3 where id = $1 and wake_at is not null",
        )
        .bind(id)
        .bind(reason)
        .bind(now.after(until).as_micros()),
        // The column alone: the state stays as it is, for whoever can make sense of it later.
        None => sqlx::query(
            "update saga set status = 'stuck', trouble = 'internal_error: ' || $2,
                wake_at = null, updated_at = $3
            where id = $1 and finished_at is null",
        )
        .bind(id)
        .bind(reason)
        .bind(now.as_micros()),
    };
    write(sqlite, query).await
}

pub(super) async fn put_definitions(
    sqlite: &Sqlite,
    definitions: &[DefinitionRow],
) -> Result<(), Error> {
    #[derive(Serialize)]
    struct Kept<'a> {
        hash: &'a str,
        name: &'a str,
        body: &'a str,
    }
    // `where true` keeps SQLite from reading `on` as a part of a join.
    let sql = "insert into definition (hash, name, body, first_seen)
        select value ->> 'hash', value ->> 'name', value ->> 'body', $2 from json_each($1)
        where true on conflict do nothing";
    let kept = definitions.iter().map(|row| Kept {
        hash: &row.hash,
        name: &row.name,
        body: row.body.get(),
    });
    let query = sqlx::query(sql).bind(array(kept)?).bind(sqlite.clock.now().as_micros());
    write(sqlite, query).await
}

/// Runs a statement in a transaction of its own.
async fn write(
    sqlite: &Sqlite,
    query: sqlx::query::Query<'_, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>,
) -> Result<(), Error> {
    let mut transaction = Transaction::begin(&sqlite.writer).await?;
    let done = query.execute(transaction.connection()).await.map(drop).map_err(before_commit);
    transaction.end(done).await
}
