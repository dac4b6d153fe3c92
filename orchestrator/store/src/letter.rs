//! Dead letters: what cannot be processed, kept for a human, who requeues or drops it.

use bytes::Bytes;
use saga_protocol::{Json, Timestamp};
use uuid::Uuid;

/// A message that cannot be processed.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// Unique per publish: parking the same message twice keeps one row.
    pub id: Uuid,
    /// The queue it came from.
    pub source: String,
    /// A stable word and, after a colon, what is wrong.
    pub reason: String,
    /// Its headers and properties as JSON.
    pub headers: Json,
    /// Its body, or the beginning of it where it is over the limit.
    pub body: Bytes,
    /// SHA-256 of the whole body.
    pub sha256: [u8; 32],
}

/// Which letters a list shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Letters {
    /// Those that nobody has dealt with.
    Open,
    /// Those that were closed too.
    All,
}

/// A dead letter as stored.
#[derive(Clone, Debug)]
pub struct DeadLetterRow {
    /// Unique per publish.
    pub id: Uuid,
    /// When it was parked.
    pub at: Timestamp,
    /// The queue it came from.
    pub source: String,
    /// A stable word and, after a colon, what is wrong.
    pub reason: String,
    /// Its headers and properties as JSON.
    pub headers: Json,
    /// Its body, or the beginning of it where it was over the limit.
    pub body: Bytes,
    /// SHA-256 of the whole body.
    pub sha256: [u8; 32],
    /// What became of it; `None` while it is open.
    pub closed: Option<Closed>,
}

/// How a letter is closed.
#[derive(Clone, Debug)]
pub struct Closure {
    /// What was done with it.
    pub how: ClosedAs,
    /// Who did it.
    pub by: String,
    /// Why, in their words.
    pub why: String,
}

/// How a letter was closed.
#[derive(Clone, Debug)]
pub struct Closed {
    /// When.
    pub at: Timestamp,
    /// What was done with it.
    pub how: ClosedAs,
    /// Who did it.
    pub by: String,
    /// Why, in their words.
    pub why: String,
}

/// What was done with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedAs {
    /// It was published again.
    Requeued,
    /// It was given up.
    Dropped,
}

impl ClosedAs {
    /// As it is stored, and as the API says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requeued => "requeued",
            Self::Dropped => "dropped",
        }
    }

    /// From what is stored.
    pub(crate) fn of(text: &str) -> Option<Self> {
        [Self::Requeued, Self::Dropped].into_iter().find(|how| how.as_str() == text)
    }
}

/// Text as a store keeps it: without NUL, which Postgres refuses. What is kept for a human must
/// never be refused.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
