//! How a run ended.

use std::time::Duration;

use saga_protocol::Phase;

use super::mishap::Mishap;
use crate::saga::{Cause, Status};

/// What came of one run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The number of its case: [`super::Rehearsal::cases`].
    pub case: usize,
    /// What went wrong; empty where nothing did.
    pub mishaps: Vec<Mishap>,
    /// What had to happen before, so that it could.
    pub ways: Vec<Mishap>,
    /// How the saga is, once nothing moves any more.
    pub ends: Status,
    /// Why it turned back or is stuck; else what stands against what was tried.
    pub because: Option<Cause>,
    /// The steps that need an operator.
    pub stuck: Vec<Stuck>,
    /// The compensations that were done, in order.
    pub undone: Vec<Undone>,
    /// From the start until the saga is as it ends. All waits are the longest that their jitter
    /// allows; an answer that comes takes no time.
    pub at_worst: Duration,
    /// Commands and answers, those that were lost too.
    pub messages: u32,
    /// Of each step, by position, whether it ran; `None` where the saga did not get there.
    pub(super) ran: Vec<Option<bool>>,
    /// Which promises were broken. None ever is, unless this program is wrong.
    pub broken: Vec<String>,
}

impl Run {
    /// Whether the saga has come to one of the ends that a definition may come to.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let ends = [Status::Completed, Status::Compensated, Status::Stuck];
        self.broken.is_empty() && ends.contains(&self.ends)
    }
}

/// A step that needs an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Its position.
    pub step: usize,
    /// Its action or its compensation.
    pub phase: Phase,
    /// Why, in a stable word.
    pub code: String,
}

/// A compensation that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The position of its step.
    pub step: usize,
    /// Whether there was an effect to undo.
    pub there_was: bool,
}
