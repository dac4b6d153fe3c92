//! What can happen to a saga.

use saga_protocol::{
    BodyHash, Json, ParticipantName, Phase, Reply, ReplyBody, StepName, Timestamp,
};

/// When something is decided, and by which chance. Both are journaled, so that a replay decides the
/// same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The store's clock.
    pub now: Timestamp,
    /// A random number, for the jitter of retries.
    pub draw: u32,
}

/// One thing that happens to a saga.
#[derive(Clone, Debug)]
pub enum Event {
    /// A participant answers.
    Reply(Answer),
    /// A time has passed: a timeout, a retry, the deadline. Which one, the saga knows.
    Due,
    /// An operator decides.
    Operator(Order),
}

/// A reply, as far as it concerns a saga that is already found.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The step.
    pub step: StepName,
    /// The phase of the command that is answered.
    pub phase: Phase,
    /// The attempt that is answered.
    pub attempt: u32,
    /// The hash of the command's body, where the participant echoes it.
    pub command_hash: Option<BodyHash>,
    /// Who answers, where the reply says.
    pub participant: Option<ParticipantName>,
    /// What is said.
    pub body: ReplyBody,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let Reply { step, phase, attempt, command_hash, participant, body, .. } = reply;
        Self { step, phase, attempt, command_hash, participant, body }
    }
}

/// An operator's decision.
#[derive(Clone, Debug)]
pub struct Order {
    /// What is to be done.
    pub verb: Verb,
    /// Who says so.
    pub actor: String,
    /// Why.
    pub reason: String,
}

/// What an operator can do to a saga.
#[derive(Clone, Debug)]
pub enum Verb {
    /// A waiting step now; a stuck one anew. Without a step: all of them.
    Retry {
        /// The step, or all.
        step: Option<StepName>,
    },
    /// Lets a stuck retriable step go, or lets the effect of a stuck compensation stand.
    Skip {
        /// The stuck step.
        step: StepName,
    },
    /// Says what became of a stuck step.
    Resolve {
        /// The stuck step.
        step: StepName,
        /// What became of it.
        resolution: Resolution,
    },
    /// Stops and compensates.
    Cancel,
    /// Ends now and undoes nothing.
    Abandon,
    /// Sends nothing and decides nothing due, until resumed.
    Pause,
    /// Goes on; everything due is later by the length of the pause.
    Resume,
}

/// What an operator found out about a stuck step.
#[derive(Clone, Debug)]
pub enum Resolution {
    /// It took effect with this output; of a compensation: it was undone by hand.
    Completed {
        /// The output; checked against the step's schema.
        output: Option<Json>,
    },
    /// It had no effect. Only for pivots.
    Rejected,
}

impl Verb {
    /// The word of CLI and API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Skip { .. } => "skip",
            Self::Resolve { .. } => "resolve",
            Self::Cancel => "cancel",
            Self::Abandon => "abandon",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}
