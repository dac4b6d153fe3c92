//! What a saga is between two transitions. Statuses are enums with data: what a state does not
//! need, it does not have.

use saga_protocol::{DefinitionName, Fault, Json, Outcome, SagaId, StepName, Timestamp};

/// One running or finished instance of a definition.
#[derive(Clone, Debug)]
pub struct Saga {
    /// Its id.
    pub id: SagaId,
    /// Its definition's name.
    pub definition: DefinitionName,
    /// Its definition's version; the saga keeps it to its end.
    pub hash: String,
    /// Its business key.
    pub key: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// Its input, never changed.
    pub input: Json,
    /// Counts its transitions; the start is 1.
    pub version: i64,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// Whether it was set aside, because looks at it failed. Its next transition takes it up again.
    pub set_aside: bool,
    /// When it turns back by itself, unless its pivot was sent.
    pub(super) deadline: Option<Timestamp>,
    /// Whether its deadline passed after the pivot was sent.
    pub(super) overdue: bool,
    pub(super) course: Course,
    /// In the order of the definition.
    pub(super) steps: Vec<Step>,
}

/// Where a saga is heading.
#[derive(Clone, Debug)]
pub(super) enum Course {
    /// To its end. Left by turning back, by completing, or by an operator.
    Forward,
    /// Back to where nothing is left. Left when all is undone, or by an operator.
    Backward { cause: Cause },
    /// Nothing leaves an end.
    Ended { end: End, at: Timestamp, cause: Option<Cause>, output: Option<Json> },
}

/// How a saga ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Compensated,
    PartlyCompensated,
    Abandoned,
}

/// Why a saga turned back, ended early, or is stuck.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Cause {
    /// A stable word, such as `insufficient_funds`, `cancelled` or `deadline_exceeded`.
    pub code: String,
    /// For people.
    pub message: String,
    /// The step it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepName>,
}

impl Cause {
    pub(super) fn of_step(step: &StepName, fault: &Fault) -> Self {
        let Fault { code, message } = fault.clone();
        Self { code, message, step: Some(step.clone()) }
    }

    pub(super) fn of_saga(code: &str, message: &str) -> Self {
        Self { code: code.to_owned(), message: message.to_owned(), step: None }
    }
}

/// One step of a saga.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub(super) state: State,
    /// The first final answer that came too late to move anything; it is journaled once.
    pub(super) late: Option<Outcome>,
}

/// Where a step is.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// Never sent. Left by the forward walk.
    Pending,
    /// Not needed: its `when` was false, or (with an action) an operator let a stuck retriable step
    /// go.
    Skipped { at: Timestamp, action: Option<Call> },
    /// Its action is under way. Left by an answer, by using up its attempts, or by turning back.
    Forward { action: Call, progress: Progress },
    /// Its action took effect. Left by turning back.
    Completed { action: Call, output: Option<Json>, at: Timestamp, resolved: bool },
    /// Its action was refused and had no effect.
    Rejected { action: Call, at: Timestamp, resolved: bool },
    /// Its compensation is under way. Left by an answer or by an operator.
    Backward { action: Call, known: Known, undo: Call, progress: Progress },
    /// Nothing of it is left, as far as `settled` says.
    Compensated { action: Call, known: Known, undo: Option<Call>, at: Timestamp, settled: Settled },
}

/// What is known of an action when its compensation is decided. Later answers do not change it.
#[derive(Clone, Debug)]
pub(super) enum Known {
    Completed { output: Option<Json> },
    Unknown,
}

/// By what a compensation was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Settled {
    /// The participant undid it.
    Participant,
    /// The participant found nothing to undo, and left a tombstone.
    NothingToUndo,
    /// The definition says `compensation: none`.
    NoCompensation,
    /// An operator undid it by hand.
    Operator,
    /// An operator let the effect stand.
    Kept,
}

/// A command of a step and its attempts.
#[derive(Clone, Debug)]
pub(super) struct Call {
    /// What was rendered when it was first decided. A compensation without an input of its own has
    /// none and carries its action's; so has a call whose expression failed, which has made no
    /// attempt.
    pub(super) body: Option<Json>,
    /// Attempts sent.
    pub(super) attempts: u32,
    /// Attempts that no longer count, because an operator began anew.
    pub(super) base: u32,
    /// When the first attempt was decided.
    pub(super) started_at: Timestamp,
    /// What went wrong last.
    pub(super) error: Option<Fault>,
}

impl Call {
    pub(super) fn new(body: Option<Json>, now: Timestamp) -> Self {
        Self { body, attempts: 0, base: 0, started_at: now, error: None }
    }
}

/// Where a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// An attempt, decided at `since`, is unanswered and counts as lost at `due`.
    Sent { since: Timestamp, due: Timestamp },
    /// The next attempt is sent then.
    Waiting { retry_at: Timestamp },
    /// No attempts are left and nobody knows; it is undone in its turn.
    Exhausted,
    /// No attempts are left, or none may help: an operator decides, or a late answer.
    Stuck,
}

impl Progress {
    /// Of a call that sends its first attempt in the same breath.
    pub(super) const UNSENT: Self = Self::Exhausted;
}

impl State {
    /// The word that API and CLI show.
    pub(super) fn status(&self) -> StepStatus {
        match self {
            Self::Pending => StepStatus::Pending,
            Self::Skipped { .. } => StepStatus::Skipped,
            Self::Forward { progress, .. } => match progress {
                Progress::Sent { .. } => StepStatus::Running,
                Progress::Waiting { .. } => StepStatus::Waiting,
                Progress::Exhausted => StepStatus::Unknown,
                Progress::Stuck => StepStatus::Failed,
            },
            Self::Completed { .. } => StepStatus::Completed,
            Self::Rejected { .. } => StepStatus::Rejected,
            Self::Backward { progress: Progress::Stuck, .. } => StepStatus::CompensationFailed,
            Self::Backward { .. } => StepStatus::Compensating,
            Self::Compensated { .. } => StepStatus::Compensated,
        }
    }

    /// Whether an operator or a late answer must move it.
    pub(super) fn is_stuck(&self) -> bool {
        matches!(self.progress(), Some(Progress::Stuck))
    }

    /// Where its current call is.
    pub(super) fn progress(&self) -> Option<Progress> {
        match self {
            Self::Forward { progress, .. } | Self::Backward { progress, .. } => Some(*progress),
            Self::Pending
            | Self::Skipped { .. }
            | Self::Completed { .. }
            | Self::Rejected { .. }
            | Self::Compensated { .. } => None,
        }
    }

    /// The call that is under way, and where it is.
    pub(super) fn current_mut(&mut self) -> Option<(&mut Call, &mut Progress)> {
        match self {
            Self::Forward { action: call, progress }
            | Self::Backward { undo: call, progress, .. } => Some((call, progress)),
            Self::Pending
            | Self::Skipped { .. }
            | Self::Completed { .. }
            | Self::Rejected { .. }
            | Self::Compensated { .. } => None,
        }
    }

    /// The error to show: of the compensation where it has one, else of the action.
    pub(super) fn error(&self) -> Option<&Fault> {
        let (action, undo) = self.calls();
        undo.and_then(|call| call.error.as_ref()).or(action.and_then(|call| call.error.as_ref()))
    }

    /// Its action and its compensation.
    pub(super) fn calls(&self) -> (Option<&Call>, Option<&Call>) {
        match self {
            Self::Pending => (None, None),
            Self::Skipped { action, .. } => (action.as_ref(), None),
            Self::Forward { action, .. }
            | Self::Completed { action, .. }
            | Self::Rejected { action, .. } => (Some(action), None),
            Self::Backward { action, undo, .. } => (Some(action), Some(undo)),
            Self::Compensated { action, undo, .. } => (Some(action), undo.as_ref()),
        }
    }

    /// What was known of its action when its compensation was decided.
    pub(super) fn known(&self) -> Option<&Known> {
        match self {
            Self::Backward { known, .. } | Self::Compensated { known, .. } => Some(known),
            Self::Pending
            | Self::Skipped { .. }
            | Self::Forward { .. }
            | Self::Completed { .. }
            | Self::Rejected { .. } => None,
        }
    }

    /// What its action is known to have answered.
    pub(super) fn output(&self) -> Option<&Json> {
        match self {
            Self::Completed { output, .. }
            | Self::Backward { known: Known::Completed { output }, .. }
            | Self::Compensated { known: Known::Completed { output }, .. } => output.as_ref(),
            Self::Pending
            | Self::Skipped { .. }
            | Self::Forward { .. }
            | Self::Rejected { .. }
            | Self::Backward { known: Known::Unknown, .. }
            | Self::Compensated { known: Known::Unknown, .. } => None,
        }
    }

    /// When it reached a state that only turning back leaves.
    pub(super) fn finished_at(&self) -> Option<Timestamp> {
        match self {
            Self::Skipped { at, .. }
            | Self::Completed { at, .. }
            | Self::Rejected { at, .. }
            | Self::Compensated { at, .. } => Some(*at),
            Self::Pending | Self::Forward { .. } | Self::Backward { .. } => None,
        }
    }

    /// Whether an operator settled it.
    pub(super) fn is_resolved(&self) -> bool {
        match self {
            Self::Completed { resolved, .. } | Self::Rejected { resolved, .. } => *resolved,
            Self::Skipped { action, .. } => action.is_some(),
            Self::Compensated { settled, .. } => {
                matches!(settled, Settled::Operator | Settled::Kept)
            }
            Self::Pending | Self::Forward { .. } | Self::Backward { .. } => false,
        }
    }
}

macro_rules! status {
    (
        $(#[$doc:meta])* $type:ident {
            $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $type {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word as API, CLI and tables have it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

status! {
    /// How a saga is.
    Status {
        /// On its way to its end.
        Running = "running",
        /// On its way back.
        Compensating = "compensating",
        /// Every step is completed or skipped.
        Completed = "completed",
        /// Every step that was ever sent was rejected or is undone.
        Compensated = "compensated",
        /// As compensated, but an operator let an effect stand.
        PartlyCompensated = "partly_compensated",
        /// A step needs an operator; what it does not block goes on.
        Stuck = "stuck",
        /// An operator ended it; nothing was undone.
        Abandoned = "abandoned",
    }
}

status! {
    /// How a step is.
    StepStatus {
        /// Never sent.
        Pending = "pending",
        /// Its action is unanswered.
        Running = "running",
        /// Between two attempts of its action.
        Waiting = "waiting",
        /// Its action took effect.
        Completed = "completed",
        /// Its action was refused and had no effect.
        Rejected = "rejected",
        /// Not needed.
        Skipped = "skipped",
        /// Its attempts are used up and nobody knows; it is undone in its turn.
        Unknown = "unknown",
        /// A pivot or retriable step that needs an operator.
        Failed = "failed",
        /// Its compensation is under way.
        Compensating = "compensating",
        /// Nothing of it is left.
        Compensated = "compensated",
        /// Its compensation needs an operator.
        CompensationFailed = "compensation_failed",
    }
}

impl Saga {
    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.course {
            Course::Ended { end, .. } => match end {
                End::Completed => Status::Completed,
                End::Compensated => Status::Compensated,
                End::PartlyCompensated => Status::PartlyCompensated,
                End::Abandoned => Status::Abandoned,
            },
            Course::Forward | Course::Backward { .. }
                if self.steps.iter().any(|step| step.state.is_stuck()) =>
            {
                Status::Stuck
            }
            Course::Forward => Status::Running,
            Course::Backward { .. } => Status::Compensating,
        }
    }

    /// Whether it has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.course, Course::Ended { .. })
    }
}
