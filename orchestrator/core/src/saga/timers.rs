//! What will happen to a saga by the passing of time alone: the timers that people see.

use saga_protocol::{Phase, StepName, Timestamp};

use super::{
    Saga,
    model::{Progress, State},
};
use crate::definition::Definition;

/// One thing that time brings, unless an answer or an operator comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer<'a> {
    /// What it is.
    pub what: TimerKind<'a>,
    /// When. The time of a paused saga stands still: this is then as it stood when the pause began,
    /// and resuming moves it later by the length of the pause.
    pub at: Timestamp,
}

/// What a timer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind<'a> {
    /// An unanswered attempt counts as lost.
    Timeout(Attempt<'a>),
    /// The next attempt is sent.
    Retry(Attempt<'a>),
    /// The saga turns back; where its pivot was sent, it is only marked overdue.
    Deadline,
}

/// The attempt that a timer is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt<'a> {
    /// The step.
    pub step: &'a StepName,
    /// Its action or its compensation.
    pub phase: Phase,
    /// Which attempt of that: the lost one, or the one that is sent next.
    pub number: u32,
}

impl Saga {
    /// Everything that time brings, the earliest first: unless it is paused, that is at
    /// [`Saga::next_due`]. Looks at what is unanswered decide nothing and are not among them.
    #[must_use]
    pub fn timers<'a>(&self, definition: &'a Definition) -> Vec<Timer<'a>> {
        if self.is_ended() {
            return vec![];
        }
        let steps = definition.steps.iter().zip(&self.steps);
        let attempts = steps.filter_map(|(plan, step)| {
            let (phase, call, progress) = match &step.state {
                State::Forward { action, progress } => (Phase::Action, action, progress),
                State::Backward { undo, progress, .. } => (Phase::Compensation, undo, progress),
                State::Pending
                | State::Skipped { .. }
                | State::Completed { .. }
                | State::Rejected { .. }
                | State::Compensated { .. } => return None,
            };
            let attempt = |number| Attempt { step: &plan.name, phase, number };
            match *progress {
                Progress::Sent { due, .. } => {
                    Some(Timer { what: TimerKind::Timeout(attempt(call.attempts)), at: due })
                }
                Progress::Waiting { retry_at } => {
                    let next = call.attempts.saturating_add(1);
                    Some(Timer { what: TimerKind::Retry(attempt(next)), at: retry_at })
                }
                Progress::Exhausted | Progress::Stuck => None,
            }
        });
        let deadline = self.next_deadline().map(|at| Timer { what: TimerKind::Deadline, at });
        let mut timers: Vec<_> = attempts.chain(deadline).collect();
        timers.sort_by_key(|timer| timer.at);
        timers
    }
}

impl<'a> TimerKind<'a> {
    /// The word of API and CLI.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout(_) => "timeout",
            Self::Retry(_) => "retry",
            Self::Deadline => "deadline",
        }
    }

    /// The attempt that it is about.
    #[must_use]
    pub const fn attempt(self) -> Option<Attempt<'a>> {
        match self {
            Self::Timeout(attempt) | Self::Retry(attempt) => Some(attempt),
            Self::Deadline => None,
        }
    }
}
