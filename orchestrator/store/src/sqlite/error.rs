//! What an error of SQLite means: the one place that knows its result codes.

use crate::{Error, class::Class};

/// What can be done about an error.
fn class(error: &sqlx::Error) -> Class {
    /// The low byte of an extended result code.
    const PRIMARY: i32 = 0xff;
    match error {
        sqlx::Error::Database(error) => {
            let code = error.code().and_then(|code| code.parse::<i32>().ok());
            match code.map(|code| code & PRIMARY) {
                // BUSY, LOCKED.
                Some(5 | 6) => Class::Conflict,
                // NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN, PROTOCOL.
                Some(7 | 8 | 9 | 10 | 13 | 14 | 15) => Class::Unavailable,
                Some(_) | None => Class::Permanent,
            }
        }
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Class::Unavailable,
        _ => Class::Permanent,
    }
}

/// See [`Class::before_commit`].
#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
pub(super) fn before_commit(error: sqlx::Error) -> Error {
    class(&error).before_commit(&error)
}

/// See [`Class::in_commit`].
#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
pub(super) fn in_commit(error: sqlx::Error) -> Error {
    class(&error).in_commit(&error)
}
