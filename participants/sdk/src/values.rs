//! What goes into statements and what comes back, alike on both databases.

use saga_protocol::{SagaId, StepName};
use sqlx::{Row as _, error::UnexpectedNullError, postgres::PgRow, sqlite::SqliteRow};
use uuid::{Uuid, fmt::Hyphenated};

/// A row that a statement returned.
pub struct Row(Native);

enum Native {
    Postgres(PgRow),
    Sqlite(SqliteRow),
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
    /// `uuid`; on SQLite it is text, in groups with hyphens.
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

impl Row {
    /// The column of this name.
    ///
    /// # Errors
    /// When there is none, or it holds something else.
    pub fn get<T: Column>(&self, name: &str) -> Result<T, sqlx::Error> {
        T::read(self, name)
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(Native::Postgres(row))
    }
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self(Native::Sqlite(row))
    }
}

macro_rules! kinds {
    ($($type:ty => $variant:ident, on SQLite $sqlite:ty;)+) => {
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
                    // Said by us: for SQLite a null that is read as something else is 0, or empty.
                    Option::read(row, name)?.ok_or_else(|| sqlx::Error::ColumnDecode {
                        index: name.to_owned(),
                        source: UnexpectedNullError.into(),
                    })
                }
            }

            impl Column for Option<$type> {
                fn read(row: &Row, name: &str) -> Result<Self, sqlx::Error> {
                    match &row.0 {
                        Native::Postgres(row) => row.try_get(name),
                        Native::Sqlite(row) => {
                            let value = row.try_get::<Option<$sqlite>, _>(name)?;
                            Ok(value.map(<$type>::from))
                        }
                    }
                }
            }
        )+
    };
}

kinds! {
    i64 => Integer, on SQLite i64;
    String => Text, on SQLite String;
    bool => Boolean, on SQLite bool;
    Uuid => Uuid, on SQLite Hyphenated;
}

impl Parameter for &str {
    fn value(&self) -> Value {
        Value::Text(Some((*self).to_owned()))
    }
}

impl Parameter for Option<&str> {
    fn value(&self) -> Value {
        Value::Text(self.map(str::to_owned))
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
