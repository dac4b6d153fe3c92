//! How commands end when they do not do what they were asked.

use saga_core::Diagnostic;

use crate::settings::Misfit;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// Done.
    Done,
    /// The answer is no.
    No,
    /// Wrong usage, or somebody who is needed cannot be reached.
    Cannot,
}

impl Status {
    /// What the process exits with.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Cannot => 2,
        }
    }
}

/// Why a command did not do it, for whoever typed it.
#[derive(Debug)]
pub(crate) struct Failure {
    /// [`Status::No`] or [`Status::Cannot`].
    pub(crate) status: Status,
    /// What is wrong, in one sentence without a final stop.
    pub(crate) message: String,
    /// More of it, one line each.
    pub(crate) details: Vec<String>,
    /// The way out.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// The answer is no.
    pub(crate) fn no(message: impl Into<String>) -> Self {
        Self { status: Status::No, message: message.into(), details: Vec::new(), hint: None }
    }

    /// Wrong usage, or unreachable.
    pub(crate) fn cannot(message: impl Into<String>) -> Self {
        Self { status: Status::Cannot, ..Self::no(message) }
    }

    /// Definitions are wrong, and nothing can be made of them.
    pub(crate) fn wrong(diagnostics: &[Diagnostic]) -> Self {
        let message = match diagnostics {
            [_] => "there is an error in what is declared".to_owned(),
            several => format!("there are {} errors in what is declared", several.len()),
        };
        Self::no(message).details(diagnostics.iter().map(ToString::to_string).collect())
    }

    /// With the way out.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// With what it is about, where a command does several things.
    pub(crate) fn about(self, what: &str) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// With more of it.
    pub(crate) fn details(self, details: Vec<String>) -> Self {
        Self { details, ..self }
    }
}

impl From<Misfit> for Failure {
    fn from(misfit: Misfit) -> Self {
        let hint = misfit.hint;
        Self::cannot(misfit.to_string()).hint(hint)
    }
}
