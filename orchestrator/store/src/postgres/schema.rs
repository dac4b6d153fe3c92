//! The schema `saga`: made and brought up to date from `migrations/`, with a ledger of what was
//! applied beside it.

use sqlx::{
    Connection, Executor, PgConnection, Row as _,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use super::{Unready, session};

/// What this binary knows.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations");
/// The ledger, in the schema it speaks of. `read_ledger` names it too.
const LEDGER: &str = "saga.schema_version";
/// Processes that start together take turns; a migration may take as long as it takes.
const TAKE_TURNS: &str = "set lock_timeout = 0; set statement_timeout = 0;
    select pg_advisory_lock(hashtextextended('saga schema', 0))";

/// A migration that was applied.
struct Applied {
    version: i64,
    checksum: Vec<u8>,
}

/// Applies what the database lacks, each migration whole or not at all, on a connection of its own:
/// whoever gives up in the middle leaves nothing locked.
pub(super) async fn migrate(options: &PgConnectOptions) -> Result<(), Unready> {
    let mut connection = session::connect(options).await?;
    session::check_writable(&mut connection).await?;
    connection.execute(TAKE_TURNS).await?;
    make_schema(&mut connection).await?;
    let mut migrator = Migrator { migrations: MIGRATIONS.migrations.clone(), ..Migrator::DEFAULT };
    migrator.set_locking(false);
    migrator.dangerous_set_table_name(LEDGER);
    let result = migrator.run_direct(None, &mut connection, false).await;
    let ledger = read_ledger(&mut connection).await?;
    match result {
        Ok(()) => Ok(connection.close().await?),
        Err(MigrateError::Execute(error)) => Err(error.into()),
        Err(error) => {
            compare(ledger.as_deref())?;
            Err(Unready::Failed(error.to_string()))
        }
    }
}

/// Whether the schema is the one that this binary knows.
pub(super) async fn check(connection: &mut PgConnection) -> Result<(), Unready> {
    compare(read_ledger(connection).await?.as_deref())
}

/// Makes the schema where it is missing: a role that may not make schemas can be given one.
async fn make_schema(connection: &mut PgConnection) -> Result<(), Unready> {
    let sql = "select exists (select from pg_namespace where nspname = 'saga')";
    let there: bool = sqlx::query_scalar(sql).fetch_one(&mut *connection).await?;
    if !there {
        connection.execute("create schema saga").await.map_err(|error| match error.into() {
            Unready::Failed(reason) => Unready::Failed(format!(
                "{reason}; create the schema `saga` and grant its use to this role"
            )),
            other => other,
        })?;
    }
    Ok(())
}

/// What was applied, oldest first; `None` where nothing ever was.
async fn read_ledger(connection: &mut PgConnection) -> Result<Option<Vec<Applied>>, Unready> {
    let sql = "select to_regclass('saga.schema_version') is not null";
    if !sqlx::query_scalar(sql).fetch_one(&mut *connection).await? {
        return Ok(None);
    }
    let sql = "select version, checksum from saga.schema_version order by version";
    let rows = sqlx::query(sql).fetch_all(connection).await?;
    let read = |row: &sqlx::postgres::PgRow| {
        Ok(Applied { version: row.try_get("version")?, checksum: row.try_get("checksum")? })
    };
    Ok(Some(rows.iter().map(read).collect::<Result<_, sqlx::Error>>()?))
}

fn compare(applied: Option<&[Applied]>) -> Result<(), Unready> {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    let applied = applied.unwrap_or_default();
    let Some(newest) = applied.iter().map(|migration| migration.version).max() else {
        return Err(Unready::Missing);
    };
    for migration in MIGRATIONS.iter() {
        match applied.iter().find(|applied| applied.version == migration.version) {
            Some(applied) if applied.checksum == *migration.checksum => {}
            Some(_) => return Err(Unready::Foreign { version: migration.version }),
            None if newest < known => return Err(Unready::Older { found: newest, known }),
            None => return Err(Unready::Foreign { version: migration.version }),
        }
    }
    match newest.cmp(&known) {
        std::cmp::Ordering::Greater => Err(Unready::Newer { found: newest, known }),
        std::cmp::Ordering::Equal | std::cmp::Ordering::Less => Ok(()),
    }
}
