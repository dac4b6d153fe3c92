//! The tables of a participant: made at start, with a ledger of what was made.

use anyhow::{Context, bail, ensure};
use saga_protocol::{BodyHash, ParticipantName};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::{Tx, barrier, database::Database, tx::Kind};

/// What is not the same on both databases.
struct Parts {
    /// Whether there is a ledger.
    has_ledger: &'static str,
    /// Makes it. `part` is `barrier` or `business`; each has versions of its own.
    ledger: &'static str,
    /// The versions of the barrier.
    barrier: &'static [&'static str],
}

const POSTGRES: Parts = Parts {
    has_ledger: "select to_regclass('schema_version') is not null as there",
    ledger: "create table schema_version (
        part text not null,
        version bigint not null,
        sha256 text not null,
        applied_at timestamptz not null default current_timestamp,
        primary key (part, version)
    )",
    barrier: &barrier::SCHEMA,
};

const SQLITE: Parts = Parts {
    has_ledger: "select exists (
            select 1 from sqlite_master where type = 'table' and name = 'schema_version'
        ) as there",
    ledger: "create table schema_version (
        part text not null,
        version integer not null,
        sha256 text not null,
        applied_at integer not null default (cast(unixepoch('subsec') * 1000000 as integer)),
        primary key (part, version)
    ) strict",
    barrier: &barrier::SCHEMA_SQLITE,
};

/// A version that was applied.
struct Applied {
    part: String,
    version: i64,
    sha256: String,
}

/// Applies what the database lacks, all of it or nothing. Processes that start together take turns.
pub(crate) async fn apply(
    database: &Database,
    name: &ParticipantName,
    business: &[&'static str],
) -> anyhow::Result<()> {
    let mut tx = database.begin().await.context("cannot connect to the database")?;
    if let Some(connection) = tx.postgres() {
        make_schema(connection, name).await?;
    }
    let parts = match database.kind() {
        Kind::Postgres => POSTGRES,
        Kind::Sqlite => SQLITE,
    };
    let applied = read_ledger(&mut tx, &parts).await?;
    let place = database.place();
    for (part, versions) in [("barrier", parts.barrier), ("business", business)] {
        apply_part(&mut tx, &place, part, versions, &applied).await?;
    }
    tx.commit().await.context("cannot commit the tables")
}

/// Takes our turn; then makes the schema where it is missing: a role that may not make schemas can
/// be given one.
async fn make_schema(tx: &mut PgConnection, name: &ParticipantName) -> anyhow::Result<()> {
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("saga-participant schema {name}"))
        .execute(&mut *tx)
        .await?;
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

async fn read_ledger(tx: &mut Tx, parts: &Parts) -> anyhow::Result<Vec<Applied>> {
    let there = tx.fetch_optional(parts.has_ledger, &[]).await?;
    if !there.context("no answer about the ledger")?.get::<bool>("there")? {
        tx.run(parts.ledger).await.context("cannot create the ledger")?;
        return Ok(Vec::new());
    }
    let rows = tx.fetch_all("select part, version, sha256 from schema_version", &[]).await?;
    rows.iter()
        .map(|row| {
            let (part, version) = (row.get("part")?, row.get("version")?);
            Ok(Applied { part, version, sha256: row.get("sha256")? })
        })
        .collect()
}

async fn apply_part(
    tx: &mut Tx,
    place: &str,
    part: &str,
    versions: &[&'static str],
    applied: &[Applied],
) -> anyhow::Result<()> {
    let newest = applied.iter().filter(|row| row.part == part).map(|row| row.version).max();
    let known = i64::try_from(versions.len())?;
    if let Some(newest) = newest.filter(|newest| *newest > known) {
        bail!(
            "{place} has version {newest} of `{part}`, this binary knows {known}; run the binary \
             that made it, or a newer one"
        );
    }
    for (version, sql) in (1_i64..).zip(versions) {
        let sha256 = BodyHash::of(sql.as_bytes()).to_string();
        let row = applied.iter().find(|row| row.part == part && row.version == version);
        if let Some(row) = row {
            ensure!(
                row.sha256 == sha256,
                "version {version} of `{part}` in {place} was made by other SQL than this binary \
                 has; put changes into a new version, not into one that was applied"
            );
            continue;
        }
        let made = tx.run(sql).await;
        made.with_context(|| format!("cannot apply version {version} of `{part}`"))?;
        let sql = "insert into schema_version (part, version, sha256) values ($1, $2, $3)";
        tx.execute(sql, &[&part, &version, &sha256]).await?;
        tracing::info!(schema.part = part, schema.version = version, "made tables");
    }
    Ok(())
}
