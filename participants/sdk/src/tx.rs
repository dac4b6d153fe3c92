//! The transaction that handlers write through: an enum over the databases that a participant may
//! stand on.
//!
//! Business SQL is written once, in the subset that Postgres and SQLite share: `$n`, `on conflict
//! do nothing`, `returning`, conditional updates, `check`; no casts, arrays, JSON operators or
//! `now()`; whole numbers are `bigint`; names are unqualified. Postgres finds them by
//! `search_path`, which is the participant's schema.

use saga_protocol::{SagaId, StepName};
use sqlx::{
    PgConnection, Postgres, Row as _,
    postgres::{PgArguments, PgRow, PgTransaction},
    query::Query,
};
use uuid::Uuid;

/// A transaction of the participant's database. The SDK commits it together with the barrier's row.
#[non_exhaustive]
pub enum Tx {
    /// On Postgres.
    Postgres(PgTransaction<'static>),
}

/// A row that a statement returned.
#[non_exhaustive]
pub enum Row {
    /// From Postgres.
    Postgres(PgRow),
}

/// A value that both databases know. `None` is null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `bigint`.
    Integer(Option<i64>),
    /// `text`.
    Text(Option<String>),
    /// `boolean`.
    Boolean(Option<bool>),
    /// `uuid`.
    Uuid(Option<Uuid>),
}

/// What can be given to a statement.
pub trait Parameter: Sync {
    /// It as a value.
    fn value(&self) -> Value;
}

/// What can be read from a column.
pub trait Column: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// When there is no such column, or it holds something else.
    fn read(row: &Row, name: &str) -> Result<Self, sqlx::Error>;
}

impl Tx {
    /// Runs a statement; how many rows it changed.
    ///
    /// # Errors
    /// When the database refuses it. The transaction is of no use then.
    pub async fn execute(
        &mut self,
        sql: &'static str,
        args: &[&dyn Parameter],
    ) -> Result<u64, sqlx::Error> {
        match self {
            Self::Postgres(tx) => Ok(bound(sql, args).execute(&mut **tx).await?.rows_affected()),
        }
    }

    /// Runs a statement; the first row it returned.
    ///
    /// # Errors
    /// When the database refuses it. The transaction is of no use then.
    pub async fn fetch_optional(
        &mut self,
        sql: &'static str,
        args: &[&dyn Parameter],
    ) -> Result<Option<Row>, sqlx::Error> {
        match self {
            Self::Postgres(tx) => {
                Ok(bound(sql, args).fetch_optional(&mut **tx).await?.map(Row::Postgres))
            }
        }
    }

    /// Runs a statement; all rows it returned.
    ///
    /// # Errors
    /// When the database refuses it. The transaction is of no use then.
    pub async fn fetch_all(
        &mut self,
        sql: &'static str,
        args: &[&dyn Parameter],
    ) -> Result<Vec<Row>, sqlx::Error> {
        match self {
            Self::Postgres(tx) => {
                let rows = bound(sql, args).fetch_all(&mut **tx).await?;
                Ok(rows.into_iter().map(Row::Postgres).collect())
            }
        }
    }

    /// The native connection, for a participant that runs on Postgres only.
    #[must_use]
    pub fn postgres(&mut self) -> Option<&mut PgConnection> {
        match self {
            Self::Postgres(tx) => Some(&mut **tx),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(tx) => tx.commit().await,
        }
    }

    pub(crate) async fn rollback(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres(tx) => tx.rollback().await,
        }
    }
}

impl Row {
    /// The column of this name.
    ///
    /// # Errors
    /// When there is none, or it holds something else.
    pub fn get<T: Column>(&self, name: &str) -> Result<T, sqlx::Error> {
        T::read(self, name)
    }
}

fn bound(sql: &'static str, args: &[&dyn Parameter]) -> Query<'static, Postgres, PgArguments> {
    args.iter().fold(sqlx::query(sql), |query, arg| match arg.value() {
        Value::Integer(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Boolean(value) => query.bind(value),
        Value::Uuid(value) => query.bind(value),
    })
}

macro_rules! kinds {
    ($($type:ty => $variant:ident,)+) => {
        $(
            impl Parameter for $type {
                fn value(&self) -> Value {
                    Value::$variant(Some(self.clone()))
                }
            }

            impl Parameter for Option<$type> {
                fn value(&self) -> Value {
                    Value::$variant(self.clone())
                }
            }

            impl Column for $type {
                fn read(row: &Row, name: &str) -> Result<Self, sqlx::Error> {
                    match row {
                        Row::Postgres(row) => row.try_get(name),
                    }
                }
            }

            impl Column for Option<$type> {
                fn read(row: &Row, name: &str) -> Result<Self, sqlx::Error> {
                    match row {
                        Row::Postgres(row) => row.try_get(name),
                    }
                }
            }
        )+
    };
}

kinds! {
    i64 => Integer,
    String => Text,
    bool => Boolean,
    Uuid => Uuid,
}

impl Parameter for &str {
    fn value(&self) -> Value {
        Value::Text(Some((*self).to_owned()))
    }
}

impl Parameter for SagaId {
    fn value(&self) -> Value {
        Value::Uuid(Some(self.0))
    }
}

impl Parameter for StepName {
    fn value(&self) -> Value {
        Value::Text(Some(self.to_string()))
    }
}
