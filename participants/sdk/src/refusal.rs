//! How a handler says no, how it fails, and how it says that it cannot tell.

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

/// Not knowing whether an effect is there: whoever was asked outside the database did not say. The
/// orchestrator asks what became of it where the step has a query, tries again, and in the end
/// undoes the step, whatever became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// A stable word, such as `provider_silent`.
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
    /// It cannot tell. What it wrote through its transaction is rolled back.
    Unknown(Doubt),
}

impl Doubt {
    /// A doubt with this code and message.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
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

impl From<Doubt> for Error {
    fn from(doubt: Doubt) -> Self {
        Self::Unknown(doubt)
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

impl From<Doubt> for Fault {
    fn from(doubt: Doubt) -> Self {
        Self::new(doubt.code, doubt.message).bounded()
    }
}
