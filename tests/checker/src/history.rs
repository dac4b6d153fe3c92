//! Honest history: a journal leads to the state, by legal edges only, and undoes in reverse order.

use saga_core::{
    Definition,
    definition::Kind,
    saga::{Status, StepStatus},
};
use saga_protocol::SagaId;

use crate::{
    Violation,
    saga::{Change, Entry, Replayed},
};

pub(crate) fn check(saga: &Replayed<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let id = saga.seen.id;
    let replayed = saga.saga.state_json(saga.definition);
    if replayed.get() != saga.seen.state.get() {
        let stored = saga.seen.state.get();
        let what = format!("{id}: {} is not {stored}", replayed.get());
        violations.push(Violation::new("a journal leads to the state", what));
    }
    // What nobody could look at is set stuck beside its state.
    let status = saga.saga.status().as_str();
    if status != saga.seen.status && saga.seen.trouble.is_none() {
        let what = format!("{id} is {status}, and its row says {}", saga.seen.status);
        violations.push(Violation::new("a row says how its saga is", what));
    }
    violations.extend(legal_statuses(id, &saga.entries));
    violations.extend(legal_changes(id, saga.definition, &saga.entries));
    violations.extend(order_of_undo(id, saga.definition, &saga.entries));
    violations
}

fn legal_statuses(id: SagaId, entries: &[Entry]) -> Option<Violation> {
    let mut from = Status::Running;
    for Entry { version, status: to, .. } in entries {
        if !is_legal_saga(from, *to) {
            let what = format!("{id} went from {from} to {to} in version {version}");
            return Some(Violation::new("a saga takes legal edges only", what));
        }
        from = *to;
    }
    None
}

fn legal_changes(id: SagaId, definition: &Definition, entries: &[Entry]) -> Option<Violation> {
    let mut statuses = vec![StepStatus::Pending; definition.steps.len()];
    let changes = entries.iter().flat_map(|entry| &entry.changes);
    for Change { step: name, from, to } in changes {
        let step = definition.step(name);
        let is_legal = step.is_some_and(|step| {
            let before = std::mem::replace(&mut statuses[step], *to);
            before == *from && is_legal_step(&definition.steps[step].kind, *from, *to)
        });
        if !is_legal {
            let what = format!("{id}: `{name}` went from {from} to {to}");
            return Some(Violation::new("a step takes legal edges only", what));
        }
    }
    None
}

/// A step is undone once whatever comes after it, through however many, is settled backwards.
pub(crate) fn order_of_undo(
    id: SagaId,
    definition: &Definition,
    entries: &[Entry],
) -> Option<Violation> {
    let mut statuses = vec![StepStatus::Pending; definition.steps.len()];
    for Change { step: name, to, .. } in entries.iter().flat_map(|entry| &entry.changes) {
        let step = definition.step(name)?;
        statuses[step] = *to;
        let open = is_undone(*to)
            .then(|| descendants(definition, step))
            .and_then(|later| later.into_iter().find(|&s| !is_settled_backwards(statuses[s])));
        if let Some(later) = open {
            let (later, is) = (&definition.steps[later].name, statuses[later]);
            let what = format!("{id} began to undo `{name}` while `{later}` was {is}");
            let promise = "a step is undone only when all that came after it is settled";
            return Some(Violation::new(promise, what));
        }
    }
    None
}

fn is_legal_saga(from: Status, to: Status) -> bool {
    use Status::*;
    match from {
        Running => to != PartlyCompensated,
        Compensating => !matches!(to, Running | Completed),
        Stuck => true,
        Completed | Compensated | PartlyCompensated | Abandoned => to == from,
    }
}

fn is_legal_step(kind: &Kind, from: StepStatus, to: StepStatus) -> bool {
    use StepStatus::*;
    let fits_kind = match to {
        Unknown | Compensating | Compensated | CompensationFailed => {
            matches!(kind, Kind::Compensatable(_))
        }
        Failed => !matches!(kind, Kind::Compensatable(_)),
        Rejected => !matches!(kind, Kind::Retriable),
        Pending | Running | Waiting | Completed | Skipped => true,
    };
    fits_kind
        && match from {
            Pending => matches!(to, Running | Skipped | Failed),
            Running | Waiting => {
                let is_settled = matches!(to, Completed | Rejected | Unknown | Failed);
                to != from && (matches!(to, Running | Waiting) || is_settled || is_undone(to))
            }
            // It stays only while the saga is paused, and then answers are recorded.
            Unknown => matches!(to, Completed | Rejected) || is_undone(to),
            Failed => matches!(to, Running | Completed | Rejected | Skipped),
            Completed => is_undone(to),
            Compensating => matches!(to, Compensated | CompensationFailed),
            CompensationFailed => matches!(to, Compensating | Compensated),
            Skipped | Rejected | Compensated => false,
        }
}

fn is_undone(status: StepStatus) -> bool {
    use StepStatus::*;
    matches!(status, Compensating | Compensated | CompensationFailed)
}

/// Whether a step neither has an effect that must be undone nor may have one.
fn is_settled_backwards(status: StepStatus) -> bool {
    use StepStatus::*;
    matches!(status, Pending | Skipped | Rejected | Compensated)
}

/// Every step that comes after this one, through however many.
fn descendants(definition: &Definition, step: usize) -> Vec<usize> {
    let mut found = vec![step];
    let mut at = 0;
    while let Some(&next) = found.get(at) {
        for &dependent in &definition.steps[next].dependents {
            if !found.contains(&dependent) {
                found.push(dependent);
            }
        }
        at += 1;
    }
    found.split_off(1)
}
