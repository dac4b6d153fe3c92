//! From a step's state to the command that belongs to it. The bytes depend only on what was frozen
//! when the command was first decided, so every attempt and every re-send carries the same.

use saga_protocol::{Command, Json, Knowledge, Phase, Timestamp, Undo, limits};

use super::{
    Saga,
    model::{Call, Known, Progress, State},
};
use crate::definition::{Definition, Kind, Step};

/// The unanswered command of a step, if there is one.
pub(super) fn outstanding(definition: &Definition, saga: &Saga, step: usize) -> Option<Command> {
    let (plan, state) = (&definition.steps[step], &saga.steps[step].state);
    let Some(Progress::Sent { since, .. }) = state.progress() else {
        return None;
    };
    let (phase, call, action) = match (state, &plan.kind) {
        (State::Forward { action, .. }, _) => (Phase::Action, action, &plan.action),
        (State::Backward { undo, .. }, Kind::Compensatable(Some(compensation))) => {
            (Phase::Compensation, undo, &compensation.action)
        }
        _ => return None,
    };
    let asked = Asked { phase, call, action, since };
    asked.of(plan, saga, state)
}

/// The question what became of a step's action, where the definition has one and an attempt was
/// made.
pub(super) fn query(
    definition: &Definition,
    saga: &Saga,
    step: usize,
    now: Timestamp,
) -> Option<Command> {
    let (plan, state) = (&definition.steps[step], &saga.steps[step].state);
    let (State::Forward { action: call, .. }, Some(action)) = (state, &plan.query) else {
        return None;
    };
    if call.attempts == 0 {
        return None;
    }
    let asked = Asked { phase: Phase::Query, call, action, since: now };
    asked.of(plan, saga, state)
}

/// What tells the commands of a step apart.
struct Asked<'a> {
    phase: Phase,
    call: &'a Call,
    action: &'a str,
    since: Timestamp,
}

impl Asked<'_> {
    fn of(self, plan: &Step, saga: &Saga, state: &State) -> Option<Command> {
        let lifetime = self.since.after(limits::COMMAND_LIFETIME);
        let deadline = match (self.phase, &plan.kind, saga.deadline) {
            (Phase::Action, Kind::Compensatable(_), Some(deadline)) => deadline,
            _ => lifetime,
        };
        Some(Command {
            saga_id: saga.id,
            definition: saga.definition.clone(),
            step: plan.name.clone(),
            phase: self.phase,
            kind: plan.kind.word(),
            participant: plan.participant.clone(),
            action: self.action.to_owned(),
            attempt: self.call.attempts,
            started: saga.created_at,
            deadline: deadline.after(limits::CLOCK_SKEW_MAX),
            body: body(state, self.phase)?.into(),
            trace: None,
        })
    }
}

/// The bytes of a step's command; `None` where there is no such command.
pub(super) fn body(state: &State, phase: Phase) -> Option<Vec<u8>> {
    let (action, undo) = state.calls();
    let input = action.and_then(|call| call.body.as_ref());
    match phase {
        Phase::Action | Phase::Query => Some(input?.get().as_bytes().to_vec()),
        Phase::Compensation => {
            let own = undo?.body.as_ref();
            Some(undo_body(state.known()?, own.or(input)?))
        }
    }
}

fn undo_body(known: &Known, input: &Json) -> Vec<u8> {
    let (action, output) = match known {
        Known::Completed { output } => (Knowledge::Completed, output.clone()),
        Known::Unknown => (Knowledge::Unknown, None),
    };
    serde_json::to_vec(&Undo { action, input: input.clone(), output })
        .expect("text keys and JSON values always serialize")
}
