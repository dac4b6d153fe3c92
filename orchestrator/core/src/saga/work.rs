//! A transition in the making: the saga as it changes, and what has happened so far. Walks and
//! handlers share it.

use saga_protocol::{Command, Fault, Json, StepName};

use super::{
    At, Cause, Effect, Note, Rejection, Saga, StepStatus, Transition, command, journal,
    model::{Course, End, Progress, State},
};
use crate::definition::{Definition, Kind, Scope, Step};

/// A status of a step that changed, in the order in which it happened.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) step: StepName,
    pub(super) from: StepStatus,
    pub(super) to: StepStatus,
}

/// A transition in the making.
pub(super) struct Work<'a> {
    pub(super) definition: &'a Definition,
    pub(super) saga: Saga,
    pub(super) at: At,
    pub(super) changes: Vec<Change>,
    pub(super) sends: Vec<Command>,
    pub(super) notes: Vec<Note>,
}

impl<'a> Work<'a> {
    pub(super) fn new(definition: &'a Definition, saga: Saga, at: At) -> Self {
        Self { definition, saga, at, changes: vec![], sends: vec![], notes: vec![] }
    }

    /// What the definition says of a step.
    pub(super) fn plan(&self, step: usize) -> &'a Step {
        &self.definition.steps[step]
    }

    pub(super) fn state(&self, step: usize) -> &State {
        &self.saga.steps[step].state
    }

    /// Moves a step, and remembers what that shows.
    pub(super) fn set(&mut self, step: usize, state: State) {
        let name = &self.definition.steps[step].name;
        let (from, to) = (self.state(step).status(), state.status());
        if state.is_stuck() && !self.state(step).is_stuck() {
            let fault = state.error().cloned().unwrap_or_else(|| Fault::new("stuck", ""));
            self.notes.push(Note::Stuck { step: name.clone(), fault });
        }
        if from != to {
            self.changes.push(Change { step: name.clone(), from, to });
        }
        self.saga.steps[step].state = state;
    }

    /// No more forward: from here on, what took effect is undone. The first cause stays.
    pub(super) fn turn_back(&mut self, cause: Cause) {
        if let Course::Forward = self.saga.course {
            self.notes.push(Note::TurnedBack(cause.clone()));
            self.saga.course = Course::Backward { cause };
        }
    }

    /// Nothing leaves an end, not even a pause.
    pub(super) fn end(&mut self, end: End, cause: Option<Cause>, output: Option<Json>) {
        self.saga.paused_at = None;
        self.saga.course = Course::Ended { end, at: self.at.now, cause, output };
        self.notes.push(Note::Ended(self.saga.status()));
    }

    /// Whether the point of no return is behind: its command was decided.
    pub(super) fn is_pivot_sent(&self) -> bool {
        let steps = self.definition.steps.iter().zip(&self.saga.steps);
        steps
            .filter(|(plan, _)| matches!(plan.kind, Kind::Pivot))
            .any(|(_, step)| !matches!(step.state, State::Pending))
    }

    /// What expressions see; `action` is added for compensations.
    pub(super) fn scope(&self) -> Scope<'_> {
        let steps = self.definition.steps.iter().zip(&self.saga.steps);
        Scope {
            input: &self.saga.input,
            saga_id: Some(self.saga.id),
            saga_key: self.saga.key.as_deref(),
            outputs: steps.map(|(plan, step)| (&plan.name, step.state.output())).collect(),
            action: None,
        }
    }

    /// Sends the next attempt of a step's current call.
    pub(super) fn send(&mut self, step: usize) {
        self.send_from(step, self.state(step).clone());
    }

    /// Moves a step to `state`, whose call then makes its next attempt, whatever its progress said.
    pub(super) fn send_from(&mut self, step: usize, mut state: State) {
        let plan = self.plan(step);
        let timeout = match (&state, &plan.kind) {
            (State::Backward { .. }, Kind::Compensatable(Some(undo))) => undo.timeout,
            _ => plan.timeout,
        };
        let Some((call, progress)) = state.current_mut() else {
            return;
        };
        call.attempts = call.attempts.saturating_add(1);
        *progress = Progress::Sent { since: self.at.now, due: self.at.now.after(timeout) };
        self.set(step, state);
        self.sends.extend(command::outstanding(self.definition, &self.saga, step));
    }

    /// Asks what became of an unanswered action, where the definition says how.
    pub(super) fn ask(&mut self, step: usize) {
        if self.saga.paused_at.is_none() {
            self.sends.extend(command::query(self.definition, &self.saga, step, self.at.now));
        }
    }

    /// Bytes of all payloads that the state keeps.
    pub(super) fn payload_bytes(&self) -> usize {
        let length = |json: Option<&Json>| json.map_or(0, |json| json.get().len());
        let steps = self.saga.steps.iter().map(|step| {
            let (action, undo) = step.state.calls();
            let bodies =
                [action, undo].into_iter().flatten().map(|call| length(call.body.as_ref()));
            bodies.sum::<usize>() + length(step.state.output())
        });
        steps.sum()
    }

    /// Walks as far as it goes, and closes the transition.
    pub(super) fn finish(mut self, happened: journal::Happened<'_>) -> Transition {
        self.walk();
        self.saga.version = self.saga.version.saturating_add(1);
        self.saga.set_aside = false;
        let entry = journal::entry(&self, happened);
        let effects = self.sends.into_iter().map(Effect::Send).collect();
        Transition { saga: self.saga, entry, effects, notes: self.notes }
    }

    pub(super) fn refuse(&self, code: &'static str, message: String) -> Rejection {
        Rejection::Refused { code, message, status: self.saga.status() }
    }
}
