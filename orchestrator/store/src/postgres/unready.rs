//! Why a database cannot be served from.

use super::error::class;
use crate::class::Class;

/// Why a database cannot be served from, with the way out.
#[derive(Debug, thiserror::Error)]
pub enum Unready {
    /// It is not reachable, or not yet.
    #[error("the database does not answer: {0}")]
    Away(String),
    /// The URL does not name a database.
    #[error(
        "`DATABASE_URL` is not valid: {0}; it looks like `postgres://user:password@host/database`"
    )]
    BadUrl(String),
    /// Nothing can be written to it.
    #[error("the database cannot be written to: {0}; let `DATABASE_URL` name the primary")]
    ReadOnly(&'static str),
    /// It could lose what it confirmed.
    #[error(
        "the database has `{0}`, so that a crash of its machine can lose what was confirmed; \
         set it to `on`, or accept the loss with `--allow-unsafe-db`"
    )]
    Unsafe(&'static str),
    /// It does not keep all text.
    #[error("the database has the encoding `{0}`; create one with `encoding 'UTF8'`")]
    Encoding(String),
    /// There is no schema.
    #[error("the database has no schema `saga`; run `saga migrate`")]
    Missing,
    /// This binary needs more than there is.
    #[error("the schema `saga` has version {found}, this binary needs {known}; run `saga migrate`")]
    Older {
        /// The version it has.
        found: i64,
        /// The version this binary knows.
        known: i64,
    },
    /// A newer binary was here.
    #[error(
        "the schema `saga` has version {found}, this binary knows {known}; run the binary that \
         made it, or a newer one"
    )]
    Newer {
        /// The version it has.
        found: i64,
        /// The version this binary knows.
        known: i64,
    },
    /// Somebody else's schema, or a migration that was changed after it was applied.
    #[error(
        "version {version} of the schema `saga` was made by other SQL than this binary has; run \
         the binary that made it, or restore the database"
    )]
    Foreign {
        /// Which version.
        version: i64,
    },
    /// Anything else, such as a permission that is missing.
    #[error("cannot prepare the database: {0}")]
    Failed(String),
}

impl Unready {
    /// Whether it may become ready by itself.
    #[must_use]
    pub const fn can_wait(&self) -> bool {
        matches!(self, Self::Away(_))
    }
}

impl From<sqlx::Error> for Unready {
    fn from(error: sqlx::Error) -> Self {
        match class(&error) {
            Class::Conflict | Class::Unavailable => Self::Away(error.to_string()),
            Class::Permanent => Self::Failed(error.to_string()),
        }
    }
}
