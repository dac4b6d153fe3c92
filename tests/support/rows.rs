//! Rows of either database, for the checker: its SQL keeps to what both understand, with ids and
//! documents cast to text.

use anyhow::{Context, Result};
use sqlx::{PgConnection, Row as _, SqliteConnection, postgres::PgRow, sqlite::SqliteRow};

/// Where the schemas of orchestrator and participants are: in one Postgres, or in files that are
/// attached by the names of those schemas.
pub(crate) enum Database<'a> {
    Postgres(&'a mut PgConnection),
    Sqlite(&'a mut SqliteConnection),
}

/// A row of it.
pub(crate) enum Row {
    Postgres(PgRow),
    Sqlite(SqliteRow),
}

impl Database<'_> {
    /// All that a query answers.
    pub(crate) async fn all(&mut self, sql: &'static str) -> Result<Vec<Row>> {
        let query = || format!("cannot ask: {sql}");
        Ok(match self {
            Self::Postgres(db) => {
                let rows = sqlx::query(sql).fetch_all(&mut **db).await.with_context(query)?;
                rows.into_iter().map(Row::Postgres).collect()
            }
            Self::Sqlite(db) => {
                let rows = sqlx::query(sql).fetch_all(&mut **db).await.with_context(query)?;
                rows.into_iter().map(Row::Sqlite).collect()
            }
        })
    }
}

/// A column that holds a value of one type.
macro_rules! column {
    ($($name:ident -> $type:ty,)+) => {
        impl Row {
            $(
                pub(crate) fn $name(&self, column: &str) -> Result<$type> {
                    Ok(match self {
                        Self::Postgres(row) => row.try_get(column)?,
                        Self::Sqlite(row) => row.try_get(column)?,
                    })
                }
            )+
        }
    };
}

column! {
    text -> String,
    text_or_null -> Option<String>,
    number -> i64,
    truth -> bool,
}
