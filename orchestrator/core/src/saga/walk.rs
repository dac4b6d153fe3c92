//! The forward and the backward walk: what is begun next. Both may be walked again at any time and
//! then do nothing, so every handler only says what happened and leaves what follows to them.

use saga_protocol::{Command, Fault, Json, Phase, limits};

use super::{
    Cause,
    model::{Call, Course, End, Known, Progress, Settled, State},
    work::Work,
};
use crate::definition::{ActionScope, Compensation, ExpressionError, Kind, Scope, Template};

impl Work<'_> {
    /// Begins whatever can begin now; ends the saga when nothing is left.
    pub(super) fn walk(&mut self) {
        if self.saga.paused_at.is_some() {
            return;
        }
        if let Course::Forward = self.saga.course {
            self.walk_forward();
        }
        if let Course::Backward { .. } = self.saga.course {
            self.walk_backward();
        }
    }

    fn walk_forward(&mut self) {
        while let Some(step) = self.ready() {
            self.begin(step);
        }
        let is_done =
            |state: &State| matches!(state, State::Completed { .. } | State::Skipped { .. });
        let all_done = self.saga.steps.iter().all(|step| is_done(&step.state));
        if matches!(self.saga.course, Course::Forward) && all_done {
            self.complete();
        }
    }

    /// The first step that can begin: pending, and all it needs is completed or skipped.
    fn ready(&self) -> Option<usize> {
        if !matches!(self.saga.course, Course::Forward) {
            return None;
        }
        let is_done = |&step: &usize| {
            matches!(self.state(step), State::Completed { .. } | State::Skipped { .. })
        };
        (0..self.saga.steps.len()).find(|&step| {
            matches!(self.state(step), State::Pending) && self.plan(step).needs.iter().all(is_done)
        })
    }

    /// Evaluates `when` and the input, once, and sends the first attempt.
    pub(super) fn begin(&mut self, step: usize) {
        let now = self.at.now;
        let plan = self.plan(step);
        let rendered = self
            .is_wanted(step)
            .and_then(|wanted| if wanted { self.render_input(step).map(Some) } else { Ok(None) });
        match rendered {
            Ok(None) => self.set(step, State::Skipped { at: now, action: None }),
            Ok(Some(body)) => {
                let action = Call::new(Some(body), now);
                self.send_from(step, State::Forward { action, progress: Progress::UNSENT });
            }
            Err(fault) if matches!(plan.kind, Kind::Retriable) => {
                let mut action = Call::new(None, now);
                action.error = Some(fault);
                self.set(step, State::Forward { action, progress: Progress::Stuck });
            }
            Err(fault) => {
                self.take_back();
                self.turn_back(Cause::of_step(&plan.name, &fault));
            }
        }
    }

    /// What began in this same transition was not sent yet, and is not sent only to be undone.
    fn take_back(&mut self) {
        let is_new = |command: &mut Command| command.phase == Phase::Action && command.attempt == 1;
        for Command { step: name, .. } in self.sends.extract_if(.., is_new) {
            let steps = self.definition.steps.iter().zip(&mut self.saga.steps);
            steps
                .filter(|(plan, _)| plan.name == name)
                .for_each(|(_, step)| step.state = State::Pending);
            self.changes.retain(|change| change.step != name);
        }
    }

    fn is_wanted(&self, step: usize) -> Result<bool, Fault> {
        let when = self.plan(step).when.as_ref();
        when.map_or(Ok(true), |when| when.evaluate_bool(&self.scope()).map_err(expression_failed))
    }

    fn render_input(&self, step: usize) -> Result<Json, Fault> {
        self.render("the input", &self.plan(step).input, &self.scope())
    }

    /// What a template gives, within the limits.
    fn render(&self, what: &str, template: &Template, scope: &Scope<'_>) -> Result<Json, Fault> {
        let json = template.render(scope).map_err(expression_failed)?;
        let bytes = json.get().len();
        if bytes > limits::BODY_BYTES_MAX {
            return Err(too_large(what, bytes, limits::BODY_BYTES_MAX));
        }
        let state = self.payload_bytes() + bytes;
        if state > limits::STATE_BYTES_MAX {
            return Err(state_too_large(state));
        }
        Ok(json)
    }

    fn complete(&mut self) {
        let template = self.definition.output.as_ref();
        let output = template.map(|output| self.render("the output", output, &self.scope()));
        match output.transpose() {
            Ok(output) => self.end(End::Completed, None, output),
            Err(fault) => {
                let cause = Cause::of_saga(&fault.code, &fault.message);
                // After the pivot everything has happened, and only the summary of it is missing.
                if self.is_pivot_sent() {
                    self.end(End::Completed, Some(cause), None);
                } else {
                    self.turn_back(cause);
                }
            }
        }
    }

    fn walk_backward(&mut self) {
        loop {
            let settled = self.settled_backwards();
            let is_free = |&step: &usize| {
                let to_undo =
                    matches!(self.state(step), State::Forward { .. } | State::Completed { .. });
                to_undo && self.plan(step).dependents.iter().all(|&dependent| settled[dependent])
            };
            let Some(step) = (0..self.saga.steps.len()).find(is_free) else {
                if settled.iter().all(|settled| *settled) {
                    self.end_backward();
                }
                return;
            };
            self.begin_undo(step);
        }
    }

    /// Which steps have nothing left to undo, themselves and through all that depends on them.
    /// Steps that were skipped or never sent pass on what is behind them, so that the order holds
    /// through them.
    fn settled_backwards(&self) -> Vec<bool> {
        let mut settled = vec![false; self.saga.steps.len()];
        let is_passive = |state: &State| {
            matches!(
                state,
                State::Pending
                    | State::Skipped { .. }
                    | State::Rejected { .. }
                    | State::Compensated { .. }
            )
        };
        loop {
            let next = (0..settled.len()).find(|&step| {
                !settled[step]
                    && is_passive(self.state(step))
                    && self.plan(step).dependents.iter().all(|&dependent| settled[dependent])
            });
            match next {
                Some(step) => settled[step] = true,
                None => return settled,
            }
        }
    }

    fn begin_undo(&mut self, step: usize) {
        let now = self.at.now;
        let (action, known) = match self.state(step) {
            State::Completed { action, output, .. } => {
                (action.clone(), Known::Completed { output: output.clone() })
            }
            State::Forward { action, .. } => (action.clone(), Known::Unknown),
            State::Pending
            | State::Skipped { .. }
            | State::Rejected { .. }
            | State::Backward { .. }
            | State::Compensated { .. } => return,
        };
        let Kind::Compensatable(Some(compensation)) = &self.plan(step).kind else {
            let settled = Settled::NoCompensation;
            return self
                .set(step, State::Compensated { action, known, undo: None, at: now, settled });
        };
        match self.render_undo(step, compensation, &action, &known) {
            Ok(body) => {
                let (undo, progress) = (Call::new(body, now), Progress::UNSENT);
                self.send_from(step, State::Backward { action, known, undo, progress });
            }
            Err(fault) => {
                let mut undo = Call::new(None, now);
                undo.error = Some(fault);
                self.set(step, State::Backward { action, known, undo, progress: Progress::Stuck });
            }
        }
    }

    /// Tries again to render what could not be rendered when an undo was begun.
    pub(super) fn begin_undo_again(&mut self, step: usize) {
        let (State::Backward { action, known, .. }, Kind::Compensatable(Some(compensation))) =
            (self.state(step).clone(), &self.plan(step).kind)
        else {
            return;
        };
        if let Ok(body) = self.render_undo(step, compensation, &action, &known) {
            let (undo, progress) = (Call::new(body, self.at.now), Progress::UNSENT);
            self.send_from(step, State::Backward { action, known, undo, progress });
        }
    }

    fn render_undo(
        &self,
        step: usize,
        compensation: &Compensation,
        action: &Call,
        known: &Known,
    ) -> Result<Option<Json>, Fault> {
        let Some(template) = &compensation.input else {
            return Ok(None);
        };
        let Some(input) = &action.body else {
            return Err(Fault::new(
                "not_sent",
                format!("the action of step {step} was never sent"),
            ));
        };
        let mut scope = self.scope();
        let output = match known {
            Known::Completed { output } => output.as_ref(),
            Known::Unknown => None,
        };
        scope.action = Some(ActionScope { input, output });
        self.render("the compensation's input", template, &scope).map(Some)
    }

    fn end_backward(&mut self) {
        let Course::Backward { cause } = self.saga.course.clone() else {
            return;
        };
        let is_kept =
            |state: &State| matches!(state, State::Compensated { settled: Settled::Kept, .. });
        let any_kept = self.saga.steps.iter().any(|step| is_kept(&step.state));
        let end = if any_kept { End::PartlyCompensated } else { End::Compensated };
        self.end(end, Some(cause), None);
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn expression_failed(error: ExpressionError) -> Fault {
    Fault::new("expression_failed", error.to_string()).bounded()
}

/// A payload over its limit.
pub(super) fn too_large(what: &str, bytes: usize, max: usize) -> Fault {
    Fault::new("too_large", format!("{what} has {bytes} bytes, more than the limit of {max}"))
}

/// A state over its limit.
pub(super) fn state_too_large(bytes: usize) -> Fault {
    let max = limits::STATE_BYTES_MAX;
    Fault::new("state_too_large", format!("the saga would keep {bytes} bytes, more than {max}"))
}
