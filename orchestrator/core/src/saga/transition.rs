//! What a decision leads to, and why an event leads to nothing.

use std::time::Duration;

use saga_protocol::{Command, Fault, Json, Outcome, ParticipantName, Phase, StepName};

use super::{Cause, Saga, Status};

/// One change of a saga by one event.
#[derive(Clone, Debug)]
pub struct Transition {
    /// The next saga.
    pub saga: Saga,
    /// The journal entry: the event whole, and what it led to.
    pub entry: Json,
    /// What is to be done once saga and entry are durable.
    pub effects: Vec<Effect>,
    /// What people and metrics want to know.
    pub notes: Vec<Note>,
}

/// What a transition asks for. When to look again is derived: [`Saga::wake_at`].
#[derive(Clone, Debug)]
pub enum Effect {
    /// Send this command.
    Send(Command),
}

/// Something that people or metrics want to know about a transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The saga turned back.
    TurnedBack(Cause),
    /// A step needs an operator.
    Stuck {
        /// Which.
        step: StepName,
        /// Why.
        fault: Fault,
    },
    /// The deadline passed after the pivot was sent.
    Overdue,
    /// A final answer came too late to move anything.
    Late {
        /// From which step.
        step: StepName,
    },
    /// A participant said two things that cannot both be true.
    Contradiction {
        /// Which step's.
        step: StepName,
        /// What was said.
        message: String,
    },
    /// A participant answered the attempt that was under way. Answers to questions and to earlier
    /// attempts are not told: when those were sent is not known any more.
    Answered {
        /// Who.
        participant: ParticipantName,
        /// The action or the compensation.
        phase: Phase,
        /// What was said.
        outcome: Outcome,
        /// From the decision to send the attempt to its answer, without pauses that ended.
        took: Duration,
    },
    /// The saga ended.
    Ended(Status),
}

/// Why an event changes nothing. Ordinary answers: they are counted, and the message is
/// acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The same final answer was already taken.
    #[error("this answer was already taken")]
    Duplicate,
    /// It answers an attempt that no longer counts.
    #[error("this answers an attempt that no longer counts")]
    Stale,
    /// It answers something that was never asked.
    #[error("this answers something that was never asked")]
    NotOutstanding,
    /// The definition has no such step.
    #[error("the definition has no step `{0}`")]
    UnknownStep(StepName),
    /// Another participant than the step's answers.
    #[error("`{answering}` answers for a step of `{asked}`")]
    ForeignParticipant {
        /// Whose step it is.
        asked: ParticipantName,
        /// Who answered.
        answering: ParticipantName,
    },
    /// It answers a command with another body than the one that was sent.
    #[error("this answers a command with another body than the one that was sent")]
    BodyMismatch,
    /// Nothing is due yet.
    #[error("nothing is due yet")]
    NotDue,
    /// The saga is already as the operator wants it.
    #[error("nothing changes: the saga is {0} already")]
    Unchanged(Status),
    /// The operator's order does not fit the saga's state.
    #[error("{message}")]
    Refused {
        /// A stable word.
        code: &'static str,
        /// What stands against it, and the way out.
        message: String,
        /// How the saga is.
        status: Status,
    },
}

impl Rejection {
    /// A stable word, for metrics and dead letters.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Duplicate => "duplicate",
            Self::Stale => "stale",
            Self::NotOutstanding => "not_outstanding",
            Self::UnknownStep(_) => "unknown_step",
            Self::ForeignParticipant { .. } => "foreign_participant",
            Self::BodyMismatch => "body_mismatch",
            Self::NotDue => "not_due",
            Self::Unchanged(_) => "unchanged",
            Self::Refused { code, .. } => code,
        }
    }

    /// Whether the message is kept for a human: somebody is misconfigured, and it will go on.
    #[must_use]
    pub const fn parks(&self) -> bool {
        match self {
            Self::ForeignParticipant { .. } | Self::BodyMismatch => true,
            Self::Duplicate
            | Self::Stale
            | Self::NotOutstanding
            | Self::UnknownStep(_)
            | Self::NotDue
            | Self::Unchanged(_)
            | Self::Refused { .. } => false,
        }
    }
}
