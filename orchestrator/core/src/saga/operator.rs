//! What operators may do, and when.

use saga_protocol::{Fault, StepName};

use super::{
    Cause, Order, Rejection, Resolution, Status, Verb,
    model::{Course, End, Progress, Settled, State},
    work::Work,
};
use crate::definition::Kind;

impl Work<'_> {
    /// Does what an operator orders, or says what stands against it.
    pub(super) fn operate(&mut self, order: &Order) -> Result<(), Rejection> {
        match &order.verb {
            Verb::Cancel => self.cancel(&order.reason),
            _ if self.saga.is_ended() => Err(self.ended()),
            Verb::Retry { step } => self.retry(step.as_ref()),
            Verb::Skip { step } => self.skip(step),
            Verb::Resolve { step, resolution } => self.resolve(step, resolution),
            Verb::Abandon => {
                let cause = Cause::of_saga("abandoned", &order.reason);
                self.end(End::Abandoned, Some(cause), None);
                Ok(())
            }
            Verb::Pause => self.pause(),
            Verb::Resume => self.resume(),
        }
    }

    fn ended(&self) -> Rejection {
        let status = self.saga.status();
        self.refuse("ended", format!("the saga is {status}, and nothing leaves an end"))
    }

    fn cancel(&mut self, reason: &str) -> Result<(), Rejection> {
        match self.saga.status() {
            Status::Completed | Status::Abandoned => return Err(self.ended()),
            status @ (Status::Compensated | Status::PartlyCompensated) => {
                return Err(Rejection::Unchanged(status));
            }
            Status::Running | Status::Compensating | Status::Stuck => {}
        }
        if let Course::Backward { .. } = self.saga.course {
            return Err(Rejection::Unchanged(self.saga.status()));
        }
        if self.is_pivot_sent() {
            let message = "the pivot was sent, and from there the saga only goes forward; \
                           `abandon` ends it without undoing anything";
            return Err(self.refuse("pivot_sent", message.to_owned()));
        }
        self.turn_back(Cause::of_saga("cancelled", reason));
        Ok(())
    }

    fn retry(&mut self, only: Option<&StepName>) -> Result<(), Rejection> {
        if self.saga.paused_at.is_some() {
            let message = "the saga is paused and sends nothing; `resume` it first".to_owned();
            return Err(self.refuse("paused", message));
        }
        let steps = match only {
            Some(name) => vec![self.find(name)?],
            None => (0..self.saga.steps.len()).collect(),
        };
        for step in steps {
            match self.state(step).progress() {
                Some(Progress::Waiting { .. }) => self.send(step),
                Some(Progress::Stuck) => self.begin_anew(step),
                Some(Progress::Sent { .. } | Progress::Exhausted) | None => {}
            }
        }
        let is_tried_again = !self.sends.is_empty() || !self.changes.is_empty();
        if !is_tried_again && !self.saga.set_aside {
            let message = "there is no step that waits or is stuck and could be tried again";
            return Err(self.refuse("nothing_to_retry", message.to_owned()));
        }
        Ok(())
    }

    /// A stuck call makes its attempts again; one that could not be rendered is rendered again.
    fn begin_anew(&mut self, step: usize) {
        let mut state = self.state(step).clone();
        let is_forward = matches!(state, State::Forward { .. });
        match state.current_mut() {
            Some((call, _)) if call.attempts > 0 => {
                call.base = call.attempts;
                self.send_from(step, state);
            }
            Some(_) if is_forward => self.begin(step),
            Some(_) => self.begin_undo_again(step),
            None => {}
        }
    }

    fn skip(&mut self, name: &StepName) -> Result<(), Rejection> {
        let step = self.find(name)?;
        let at = self.at.now;
        match (self.state(step).clone(), &self.plan(step).kind) {
            (State::Forward { action, progress: Progress::Stuck }, Kind::Retriable) => {
                self.set(step, State::Skipped { at, action: Some(action) });
                Ok(())
            }
            (State::Backward { action, known, undo, progress: Progress::Stuck }, _) => {
                let (undo, settled) = (Some(undo), Settled::Kept);
                self.set(step, State::Compensated { action, known, undo, at, settled });
                Ok(())
            }
            (state, _) => {
                let message = format!(
                    "step `{name}` is {}; only a stuck retriable step or a stuck compensation \
                     can be skipped",
                    state.status()
                );
                Err(self.refuse("cannot_skip", message))
            }
        }
    }

    fn resolve(&mut self, name: &StepName, resolution: &Resolution) -> Result<(), Rejection> {
        let step = self.find(name)?;
        let at = self.at.now;
        match (self.state(step).clone(), &self.plan(step).kind, resolution) {
            (
                State::Forward { action, progress: Progress::Stuck },
                Kind::Pivot | Kind::Retriable,
                Resolution::Completed { output },
            ) => {
                self.check_output(step, output.as_ref()).map_err(|fault| {
                    self.refuse("output_invalid", format!("{}: {}", fault.code, fault.message))
                })?;
                let output = output.clone();
                self.set(step, State::Completed { action, output, at, resolved: true });
            }
            (
                State::Forward { mut action, progress: Progress::Stuck },
                Kind::Pivot,
                Resolution::Rejected,
            ) => {
                let fault = Fault::new("resolved", "an operator resolved the pivot as rejected");
                action.error = Some(fault.clone());
                self.set(step, State::Rejected { action, at, resolved: true });
                self.turn_back(Cause::of_step(name, &fault));
            }
            (
                State::Backward { action, known, undo, progress: Progress::Stuck },
                _,
                Resolution::Completed { .. },
            ) => {
                let (undo, settled) = (Some(undo), Settled::Operator);
                self.set(step, State::Compensated { action, known, undo, at, settled });
            }
            (state, kind, _) => {
                let message = format!(
                    "step `{name}` ({}) is {}; a stuck pivot can be resolved as completed or \
                     rejected, a stuck retriable step or compensation as completed",
                    kind.word(),
                    state.status()
                );
                return Err(self.refuse("cannot_resolve", message));
            }
        }
        Ok(())
    }

    fn pause(&mut self) -> Result<(), Rejection> {
        if self.saga.paused_at.is_some() {
            return Err(Rejection::Unchanged(self.saga.status()));
        }
        self.saga.paused_at = Some(self.at.now);
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Rejection> {
        let Some(paused_at) = self.saga.paused_at.take() else {
            return Err(Rejection::Unchanged(self.saga.status()));
        };
        // The time of a paused saga stands still, also for looks at what it has sent.
        let pause = self.at.now.since(paused_at);
        self.saga.deadline = self.saga.deadline.map(|deadline| deadline.after(pause));
        for step in &mut self.saga.steps {
            match step.state.current_mut() {
                Some((_, Progress::Sent { since, due })) => {
                    (*since, *due) = (since.after(pause), due.after(pause));
                }
                Some((_, Progress::Waiting { retry_at })) => *retry_at = retry_at.after(pause),
                Some((_, Progress::Exhausted | Progress::Stuck)) | None => {}
            }
        }
        Ok(())
    }

    fn find(&self, name: &StepName) -> Result<usize, Rejection> {
        self.definition.step(name).ok_or_else(|| {
            let message = format!("definition `{}` has no step `{name}`", self.definition.name);
            self.refuse("unknown_step", message)
        })
    }
}
