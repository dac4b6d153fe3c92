//! What can go wrong at a step: one thing, once. (`saga_protocol::Fault` is what a participant
//! says; this is what happens to him, to a message, or to the orchestrator.)

use saga_protocol::Phase;

use super::cases::Case;
use crate::definition::{Definition, Kind};

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mishap {
    /// The position of its step in the definition.
    pub step: usize,
    /// Which of the step's commands it is about.
    pub phase: Phase,
    /// What happens.
    pub what: What,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// It is answered `rejected`.
    Refused,
    /// Every attempt is answered `failed`.
    Failed,
    /// It is done, and no answer ever arrives.
    TimedOutDone,
    /// No attempt ever arrives.
    TimedOut,
    /// It is done, and every attempt is answered `unknown`.
    Unknown,
    /// It is done and answered with an output that its schema refuses.
    OutputInvalid,
    /// Its first command is lost.
    LostCommand,
    /// Its first answer is lost.
    LostReply,
    /// Its answer arrives twice.
    Duplicate,
    /// It is done, and its answer arrives once no more attempts are made.
    Late,
    /// The orchestrator ends when it has committed, and before it has sent anything.
    Restart,
    /// An operator cancels the saga while it is under way.
    Cancel,
    /// The saga's deadline passes while it is under way.
    Deadline,
}

/// In the order in which they are told.
const OF_ACTIONS: [What; 13] = [
    What::Refused,
    What::Failed,
    What::TimedOutDone,
    What::TimedOut,
    What::Unknown,
    What::OutputInvalid,
    What::Late,
    What::Cancel,
    What::Deadline,
    What::Duplicate,
    What::LostCommand,
    What::LostReply,
    What::Restart,
];
const OF_COMPENSATIONS: [What; 10] = [
    What::Refused,
    What::Failed,
    What::TimedOutDone,
    What::TimedOut,
    What::Unknown,
    What::Late,
    What::Duplicate,
    What::LostCommand,
    What::LostReply,
    What::Restart,
];

impl What {
    /// A stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::TimedOutDone => "timed_out_done",
            Self::TimedOut => "timed_out",
            Self::Unknown => "unknown",
            Self::OutputInvalid => "output_invalid",
            Self::LostCommand => "lost_command",
            Self::LostReply => "lost_reply",
            Self::Duplicate => "duplicate",
            Self::Late => "late",
            Self::Restart => "restart",
            Self::Cancel => "cancel",
            Self::Deadline => "deadline",
        }
    }
}

impl Mishap {
    /// Everything that can go wrong once, at every step that runs in this case.
    pub(super) fn all(definition: &Definition, case: &Case) -> Vec<Self> {
        let mut all = Vec::new();
        for (step, plan) in definition.steps.iter().enumerate() {
            if case.ran[step] != Some(true) {
                continue;
            }
            let can_happen = |what: &What| match what {
                What::OutputInvalid => case.invalid[step].is_some(),
                What::Deadline => definition.deadline.is_some(),
                What::Refused
                | What::Failed
                | What::TimedOutDone
                | What::TimedOut
                | What::Unknown
                | What::LostCommand
                | What::LostReply
                | What::Duplicate
                | What::Late
                | What::Restart
                | What::Cancel => true,
            };
            let action = |what| Self { step, phase: Phase::Action, what };
            all.extend(OF_ACTIONS.into_iter().filter(can_happen).map(action));
            if let Kind::Compensatable(Some(_)) = plan.kind {
                let undo = |what| Self { step, phase: Phase::Compensation, what };
                all.extend(OF_COMPENSATIONS.map(undo));
            }
            if plan.query.is_some() {
                all.push(Self { step, phase: Phase::Query, what: What::TimedOut });
            }
        }
        all
    }

    /// Whether both are about the same command.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        (self.step, self.phase) == (other.step, other.phase)
    }

    /// What must happen before, so that this can; each alternative by itself. An action is asked
    /// for by itself; a compensation once a later step is refused, or where there is none, once
    /// the saga is cancelled; a query once nobody knows what became of the action.
    pub(super) fn ways(&self, definition: &Definition, case: &Case) -> Vec<Self> {
        let Self { step, phase, .. } = *self;
        match phase {
            Phase::Action => Vec::new(),
            Phase::Query => vec![Self { step, phase: Phase::Action, what: What::Unknown }],
            Phase::Compensation => {
                let refused = first_after(definition, case, step).map(|step| Self {
                    step,
                    phase: Phase::Action,
                    what: What::Refused,
                });
                let cancelled = Self { step, phase: Phase::Action, what: What::Cancel };
                refused.into_iter().chain([cancelled]).collect()
            }
        }
    }
}

/// The nearest step behind this one that runs and may refuse.
fn first_after(definition: &Definition, case: &Case, step: usize) -> Option<usize> {
    let mut seen = vec![false; definition.steps.len()];
    let mut near = definition.steps[step].dependents.clone();
    while !near.is_empty() {
        let may_refuse = |&&step: &&usize| {
            case.ran[step] == Some(true) && !matches!(definition.steps[step].kind, Kind::Retriable)
        };
        if let Some(step) = near.iter().find(may_refuse) {
            return Some(*step);
        }
        near.iter().for_each(|&step| seen[step] = true);
        let behind = near.iter().flat_map(|&step| &definition.steps[step].dependents);
        let mut next: Vec<_> = behind.copied().filter(|&step| !seen[step]).collect();
        next.sort_unstable();
        next.dedup();
        near = next;
    }
    None
}
