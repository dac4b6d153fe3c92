//! What can be done about an error of a database, and what it then is to whoever called: the same
//! on every database. Which errors are of which class each adapter knows.

use crate::Error;

/// What can be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Somebody else was in the way, or it took too long: begin again.
    Conflict,
    /// The database is away, or its disk does not do it now; nobody knows what became of what it
    /// was doing.
    Unavailable,
    /// It will happen again.
    Permanent,
}

impl Class {
    /// Of whatever cannot have written anything: a read, or a transaction before its commit.
    pub(crate) fn before_commit(self, error: &sqlx::Error) -> Error {
        match self {
            Self::Conflict | Self::Unavailable => Error::Transient(error.to_string()),
            Self::Permanent => Error::Permanent(error.to_string()),
        }
    }

    /// Of a commit, or of a statement that commits by itself: whoever gets no answer knows nothing.
    pub(crate) fn in_commit(self, error: &sqlx::Error) -> Error {
        match self {
            Self::Conflict => Error::Transient(error.to_string()),
            Self::Unavailable => Error::Unknown(error.to_string()),
            Self::Permanent => Error::Permanent(error.to_string()),
        }
    }
}
