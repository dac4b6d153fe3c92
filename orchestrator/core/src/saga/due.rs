//! What passing time means: deadlines, timeouts and retries.

use saga_protocol::{Fault, Timestamp};

use super::{
    Cause, Note, Rejection, Saga,
    model::{Course, Progress, State},
    work::Work,
};

impl Work<'_> {
    /// Decides everything whose time has passed.
    pub(super) fn due(&mut self) -> Result<(), Rejection> {
        let now = self.at.now;
        if self.saga.next_due().is_none_or(|due| due > now) {
            return Err(Rejection::NotDue);
        }
        if self.saga.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.deadline_passed();
        }
        // Timeouts first: one may turn the saga back, and then no action is sent again.
        for step in 0..self.saga.steps.len() {
            match self.state(step).progress() {
                Some(Progress::Sent { due, .. }) if due <= now && self.goes_on(step) => {
                    let message = "no answer within the timeout of the attempt";
                    self.attempt_over(step, Fault::new("timeout", message), true);
                }
                _ => {}
            }
        }
        for step in 0..self.saga.steps.len() {
            match self.state(step).progress() {
                Some(Progress::Waiting { retry_at }) if retry_at <= now && self.goes_on(step) => {
                    self.send(step);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a step goes on in the saga's direction. An action that is under way when the saga
    /// turns back does not: it is undone in the walk that follows.
    fn goes_on(&self, step: usize) -> bool {
        let is_forward = matches!(self.saga.course, Course::Forward);
        is_forward || !matches!(self.state(step), State::Forward { .. })
    }

    fn deadline_passed(&mut self) {
        if self.is_pivot_sent() {
            self.saga.overdue = true;
            self.notes.push(Note::Overdue);
        } else {
            let message = "the saga's deadline passed before its pivot was sent";
            self.turn_back(Cause::of_saga("deadline_exceeded", message));
        }
    }
}

impl Saga {
    /// The earliest time at which something is decided: a timeout, a retry, the deadline. `None`
    /// when paused, at an end, or when only an operator or an answer can move it.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        if self.paused_at.is_some() || self.is_ended() {
            return None;
        }
        let calls = self.steps.iter().filter_map(|step| match step.state.progress()? {
            Progress::Sent { due, .. } => Some(due),
            Progress::Waiting { retry_at } => Some(retry_at),
            Progress::Exhausted | Progress::Stuck => None,
        });
        calls.chain(self.next_deadline()).min()
    }

    /// The deadline while it can still do something.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        let acts = matches!(self.course, Course::Forward) && !self.overdue;
        self.deadline.filter(|_| acts)
    }
}
