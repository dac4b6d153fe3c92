//! What an error of SQLite means: the one place that knows its result codes.

use crate::Error;

/// What can be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Another process is writing: begin again.
    Conflict,
    /// The disk does not do it now, or never said whether it did.
    Unavailable,
    /// It will happen again.
    Permanent,
}

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

/// Of whatever cannot have written anything: a read, or a transaction before its commit.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
pub(super) fn before_commit(error: sqlx::Error) -> Error {
    match class(&error) {
        Class::Conflict | Class::Unavailable => Error::Transient(error.to_string()),
        Class::Permanent => Error::Permanent(error.to_string()),
    }
}

/// Of a commit: where the disk fails in the middle, nobody knows what is on it.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` gives it away")]
pub(super) fn in_commit(error: sqlx::Error) -> Error {
    match class(&error) {
        Class::Conflict => Error::Transient(error.to_string()),
        Class::Unavailable => Error::Unknown(error.to_string()),
        Class::Permanent => Error::Permanent(error.to_string()),
    }
}
