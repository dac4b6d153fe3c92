//! How a handler says no, and how it fails.

use saga_protocol::Fault;

/// A decided no, without effect: the business does not allow it. All that the handler wrote is
/// rolled back.
///
/// From an action that may refuse it is final and stored. From a compensation or a retriable step
/// it means "a human, now": it is not stored, so that the step can be tried anew once the cause is
/// mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word, such as `insufficient_funds`.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Why a handler did not complete.
#[derive(Debug)]
pub enum Error {
    /// It decided so.
    Refused(Refusal),
    /// Something broke: nothing is decided, and the orchestrator tries again.
    Failed(anyhow::Error),
}

impl Refusal {
    /// A refusal with this code and message.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.code, refusal.message).bounded()
    }
}
