//! When somebody must look at a saga, and what a look finds. The due loop's rules, as a function of
//! time.

use std::time::Duration;

use saga_protocol::{Command, ParticipantName, Timestamp};

use super::{Saga, command, model::Progress};
use crate::definition::Definition;

/// How long a command may be unanswered before somebody looks: far above a round trip, and short
/// enough that a lost message goes unnoticed by people.
pub const GRACE: Duration = Duration::from_secs(3);
/// The longest time between two looks at an unanswered command: a broker that comes back empty is
/// filled within it.
pub const LOOK_MAX: Duration = Duration::from_secs(300);

/// A command that was decided and not answered.
#[derive(Clone, Debug)]
pub struct Outstanding {
    /// The command: the same attempt, the same bytes.
    pub command: Command,
    /// When this attempt was decided.
    pub since: Timestamp,
}

/// What a look finds.
#[derive(Clone, Debug)]
pub enum Look {
    /// A time has passed: [`super::advance`] with [`super::Event::Due`].
    Due,
    /// Nothing is due, but these commands are unanswered for long enough to be sent again.
    Resend {
        /// The commands.
        commands: Vec<Outstanding>,
        /// The next look.
        again_at: Timestamp,
    },
    /// It is too early.
    Wait {
        /// The next look.
        until: Timestamp,
    },
    /// Only an answer or an operator can move it.
    Rest,
}

impl Saga {
    /// When somebody must look, as far as is known at `now`; `None` when only an answer or an
    /// operator can move it.
    ///
    /// A look at an unanswered command is due after [`GRACE`], and then again when its attempt is
    /// twice as old, at most [`LOOK_MAX`] apart.
    #[must_use]
    pub fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let due = self.next_due()?;
        let looks = self.sent_since().map(|since| {
            let first = since.after(GRACE);
            let again = now.after(now.since(since).min(LOOK_MAX));
            if first > now { first } else { again }
        });
        looks.chain([due]).min()
    }

    /// What a look at `now` finds.
    #[must_use]
    pub fn look(&self, definition: &Definition, now: Timestamp) -> Look {
        let (Some(due), Some(until)) = (self.next_due(), self.wake_at(now)) else {
            return Look::Rest;
        };
        if due <= now {
            return Look::Due;
        }
        let mut commands = self.commands(definition);
        commands.retain(|outstanding| outstanding.since.after(GRACE) <= now);
        if commands.is_empty() {
            Look::Wait { until }
        } else {
            Look::Resend { commands, again_at: until }
        }
    }

    /// Every unanswered command; none while it is paused or has ended.
    #[must_use]
    pub fn commands(&self, definition: &Definition) -> Vec<Outstanding> {
        if self.paused_at.is_some() || self.is_ended() {
            return vec![];
        }
        let outstanding = |step: usize| {
            let Some(Progress::Sent { since, .. }) = self.steps[step].state.progress() else {
                return None;
            };
            let command = command::outstanding(definition, self, step)?;
            Some(Outstanding { command, since })
        };
        (0..self.steps.len()).filter_map(outstanding).collect()
    }

    /// How many commands are unanswered; none while it is paused or has ended.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        let is_silent = self.paused_at.is_some() || self.is_ended();
        if is_silent { 0 } else { self.sent_since().count() }
    }

    /// Whether a command to this participant is unanswered.
    #[must_use]
    pub fn awaits(&self, definition: &Definition, participant: &ParticipantName) -> bool {
        let steps = definition.steps.iter().zip(&self.steps);
        !self.is_ended()
            && steps
                .filter(|(plan, _)| plan.participant == *participant)
                .any(|(_, step)| matches!(step.state.progress(), Some(Progress::Sent { .. })))
    }

    /// When the unanswered attempts were decided.
    fn sent_since(&self) -> impl Iterator<Item = Timestamp> {
        self.steps.iter().filter_map(|step| match step.state.progress()? {
            Progress::Sent { since, .. } => Some(since),
            Progress::Waiting { .. } | Progress::Exhausted | Progress::Stuck => None,
        })
    }
}
