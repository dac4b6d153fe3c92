//! What an error of the database means: the one place that knows SQLSTATEs.

use crate::{Error, class::Class};

/// What can be done about an error.
pub(super) fn class(error: &sqlx::Error) -> Class {
    match error {
        sqlx::Error::Database(error) => match error.code().as_deref() {
            // Serialization failure, deadlock, lock timeout, statement timeout.
            Some("40001" | "40P01" | "55P03" | "57014") => Class::Conflict,
            // Shutting down, crashed, starting up, idle too long, a standby by now.
            Some("57P01" | "57P02" | "57P03" | "25P03" | "25006") => Class::Unavailable,
            // Connection exceptions, out of resources, the system's own errors.
            Some(code) if ["08", "53", "58"].iter().any(|class| code.starts_with(class)) => {
                Class::Unavailable
            }
            Some(_) | None => Class::Permanent,
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
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
