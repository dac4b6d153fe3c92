//! The checker of runs on real parts: what is seen of them in SQL, held against the promises that
//! simulations are held to, and what SQL alone can see.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, Result, bail};
use saga_checker::{Accepted, Seen};
use saga_protocol::SagaId;
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool, SqliteConnection};
use uuid::Uuid;

use crate::{Promised, rows::Database, seen::seen};

/// Checks every promise, and that no message is dead. Fails with all violations at once, or answers
/// how many sagas ended how.
///
/// # Errors
/// When a promise is broken, or the database cannot be asked.
pub async fn check(db: &PgPool) -> Result<BTreeMap<String, i64>> {
    check_within(&mut *db.acquire().await?).await
}

/// The same within a transaction, so that what it does to the database is seen and can be undone.
///
/// # Errors
/// When a promise is broken, or the database cannot be asked.
pub async fn check_within(db: &mut PgConnection) -> Result<BTreeMap<String, i64>> {
    run(db, &[PARTITIONS, DEAD]).await
}

/// The same for a run in which messages had to be parked.
///
/// # Errors
/// When a promise is broken, or the database cannot be asked.
pub async fn check_sagas(db: &PgPool) -> Result<BTreeMap<String, i64>> {
    run(&mut *db.acquire().await?, &[PARTITIONS]).await
}

/// Checks every promise of a `saga dev` that keeps its files in this folder, that no message is
/// dead, and that no start is lost that a load was promised. It need not run.
///
/// # Errors
/// When a promise is broken, or a file cannot be read.
pub async fn check_files(folder: &Path, promised: &[Promised]) -> Result<BTreeMap<String, i64>> {
    let file = |name: &str| folder.join(format!("{name}.db")).display().to_string();
    let mut db = SqliteConnection::connect(&format!("sqlite:{}", file("saga"))).await?;
    for name in ["saga", "payment", "inventory", "shipping"] {
        // So the names of schemas are those of Postgres.
        let sql = AssertSqlSafe(format!("attach $1 as {name}"));
        sqlx::query(sql).bind(file(name)).execute(&mut db).await?;
    }
    let mut db = Database::Sqlite(&mut db);
    let mut seen = seen(&mut db).await.context("cannot see what became of the run")?;
    let accepted = promised.iter();
    seen.accepted = accepted
        .map(|start| Accepted { id: SagaId(start.id), key: Some(start.key.clone()) })
        .collect();
    judge(&mut db, &seen, &[DEAD]).await
}

/// Checks that no start is lost that a load was promised: each saga is there under its key.
///
/// # Errors
/// When one is lost, or the database cannot be asked.
pub async fn check_promised(db: &PgPool, promised: &[Promised]) -> Result<()> {
    let keys: Vec<&str> = promised.iter().map(|start| start.key.as_str()).collect();
    let ids: Vec<Uuid> = promised.iter().map(|start| start.id).collect();
    let lost: Vec<String> = sqlx::query_scalar(
        "select promised.key || ' as ' || promised.id
         from unnest($1::text[], $2::uuid[]) as promised (key, id)
         where not exists (
           select from saga.saga where (saga.id, saga.key) = (promised.id, promised.key))",
    )
    .bind(keys)
    .bind(ids)
    .fetch_all(db)
    .await?;
    if !lost.is_empty() {
        let shown = lost[..lost.len().min(SHOWN_MAX)].join("\n  ");
        bail!("{} accepted starts are lost:\n  {shown}", lost.len());
    }
    Ok(())
}

/// Violations shown in a failure: enough to see the pattern.
const SHOWN_MAX: usize = 20;

/// What is promised in words, and a query that answers one row of text per violation.
type Promise = (&'static str, &'static str);

/// The partitions of the journal are made in time.
const PARTITIONS: Promise = (
    "no journal entry falls into the default partition",
    "select saga_id::text as what from only saga.journal_default",
);

/// Nothing had to be parked.
const DEAD: Promise =
    ("no message is dead", "select source || ': ' || reason as what from saga.dead_letter");

async fn run(db: &mut PgConnection, promises: &[Promise]) -> Result<BTreeMap<String, i64>> {
    let mut db = Database::Postgres(db);
    let seen = seen(&mut db).await.context("cannot see what became of the run")?;
    judge(&mut db, &seen, promises).await
}

async fn judge(
    db: &mut Database<'_>,
    seen: &Seen,
    promises: &[Promise],
) -> Result<BTreeMap<String, i64>> {
    let mut violations: Vec<_> =
        saga_checker::check(seen).iter().map(ToString::to_string).collect();
    for (promise, sql) in promises {
        for row in db.all(sql).await? {
            violations.push(format!("{promise}: {}", row.text("what")?));
        }
    }
    if !violations.is_empty() {
        let shown: Vec<_> = violations.iter().take(SHOWN_MAX).map(String::as_str).collect();
        bail!("{} times a promise is broken:\n  {}", violations.len(), shown.join("\n  "));
    }
    let mut ends = BTreeMap::new();
    for saga in &seen.sagas {
        *ends.entry(saga.status.clone()).or_default() += 1;
    }
    Ok(ends)
}
