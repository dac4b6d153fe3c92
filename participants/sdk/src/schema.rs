//! The tables of a participant: made at start, in its own schema, with a ledger of what was made.

use anyhow::{Context, bail, ensure};
use saga_protocol::{BodyHash, ParticipantName};
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row};

use crate::barrier;

/// The ledger. `part` is `barrier` or `business`; each has versions of its own.
const LEDGER: &str = "create table schema_version (
    part text not null,
    version bigint not null,
    sha256 text not null,
    applied_at timestamptz not null default current_timestamp,
    primary key (part, version)
)";

/// A version that was applied.
struct Applied {
    part: String,
    version: i64,
    sha256: String,
}

/// Applies what the database lacks, all of it or nothing. Processes that start together take turns.
pub(crate) async fn apply(
    pool: &PgPool,
    name: &ParticipantName,
    business: &[&'static str],
) -> anyhow::Result<()> {
    let mut tx = pool.begin().await.context("cannot connect to the database")?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("saga-participant schema {name}"))
        .execute(&mut *tx)
        .await?;
    make_schema(&mut tx, name).await?;
    let applied = read_ledger(&mut tx).await?;
    for (part, versions) in [("barrier", &barrier::SCHEMA[..]), ("business", business)] {
        apply_part(&mut tx, name, part, versions, &applied).await?;
    }
    tx.commit().await.context("cannot commit the tables")
}

/// Makes the schema where it is missing: a role that may not make schemas can be given one.
async fn make_schema(tx: &mut PgConnection, name: &ParticipantName) -> anyhow::Result<()> {
    let sql = "select exists (select from pg_namespace where nspname = $1)";
    let there: bool = sqlx::query_scalar(sql).bind(name.as_str()).fetch_one(&mut *tx).await?;
    if !there {
        // No statement takes a schema's name as a parameter. A participant's name has no quotes in
        // it.
        let sql = AssertSqlSafe(format!("create schema \"{name}\""));
        sqlx::raw_sql(sql).execute(&mut *tx).await.with_context(|| {
            format!("cannot create schema `{name}`; create it and grant its use to this role")
        })?;
    }
    Ok(())
}

async fn read_ledger(tx: &mut PgConnection) -> anyhow::Result<Vec<Applied>> {
    let sql = "select to_regclass('schema_version') is not null";
    let there: bool = sqlx::query_scalar(sql).fetch_one(&mut *tx).await?;
    if !there {
        sqlx::raw_sql(LEDGER).execute(&mut *tx).await.context("cannot create the ledger")?;
        return Ok(Vec::new());
    }
    let sql = "select part, version, sha256 from schema_version";
    let rows = sqlx::query(sql).fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            let (part, version) = (row.try_get("part")?, row.try_get("version")?);
            Ok(Applied { part, version, sha256: row.try_get("sha256")? })
        })
        .collect()
}

async fn apply_part(
    tx: &mut PgConnection,
    name: &ParticipantName,
    part: &str,
    versions: &[&'static str],
    applied: &[Applied],
) -> anyhow::Result<()> {
    let newest = applied.iter().filter(|row| row.part == part).map(|row| row.version).max();
    let known = i64::try_from(versions.len())?;
    if let Some(newest) = newest.filter(|newest| *newest > known) {
        bail!(
            "schema `{name}` has version {newest} of `{part}`, this binary knows {known}; run the \
             binary that made it, or a newer one"
        );
    }
    for (version, sql) in (1_i64..).zip(versions) {
        let sha256 = BodyHash::of(sql.as_bytes()).to_string();
        let row = applied.iter().find(|row| row.part == part && row.version == version);
        if let Some(row) = row {
            ensure!(
                row.sha256 == sha256,
                "version {version} of `{part}` in schema `{name}` was made by other SQL than this \
                 binary has; put changes into a new version, not into one that was applied"
            );
            continue;
        }
        sqlx::raw_sql(*sql)
            .execute(&mut *tx)
            .await
            .with_context(|| format!("cannot apply version {version} of `{part}`"))?;
        sqlx::query("insert into schema_version (part, version, sha256) values ($1, $2, $3)")
            .bind(part)
            .bind(version)
            .bind(sha256)
            .execute(&mut *tx)
            .await?;
        tracing::info!(schema.part = part, schema.version = version, "made tables");
    }
    Ok(())
}
