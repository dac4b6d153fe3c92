//! What must hold of every run, whatever goes wrong. A definition cannot break it, only the state
//! machine can; so whoever sees it broken has found a defect of ours.

use super::party::Party;
use crate::{
    definition::{Definition, Kind},
    saga::{Saga, Status, StepStatus},
};

/// When an action takes effect: all that it needs has, and nothing that it needs was undone, also
/// behind steps that were skipped. An action that leaves nothing to undo may come at any time: a
/// saga that turns back does not wait for it.
pub(super) fn acted(
    definition: &Definition,
    saga: &Saga,
    parties: &[Party],
    step: usize,
) -> Vec<String> {
    if leaves_nothing(definition, step) {
        return Vec::new();
    }
    let reports = saga.steps(definition);
    let name = |step: usize| &definition.steps[step].name;
    let mut needs = definition.steps[step].needs.clone();
    let mut broken = Vec::new();
    while let Some(need) = needs.pop() {
        if reports[need].status == StepStatus::Skipped {
            needs.extend(&definition.steps[need].needs);
        } else if !parties[need].has_effect() {
            broken.push(format!("`{}` acts without `{}`", name(step), name(need)));
        }
    }
    broken
}

/// Whether the definition says that a step leaves nothing to undo.
fn leaves_nothing(definition: &Definition, step: usize) -> bool {
    matches!(definition.steps[step].kind, Kind::Compensatable(None))
}

/// When an effect is undone: nothing that came after it is left.
pub(super) fn undone(definition: &Definition, parties: &[Party], step: usize) -> Vec<String> {
    let name = |step: usize| &definition.steps[step].name;
    let mut behind = definition.steps[step].dependents.clone();
    let mut seen = vec![false; definition.steps.len()];
    let mut broken = Vec::new();
    while let Some(later) = behind.pop() {
        if std::mem::replace(&mut seen[later], true) {
            continue;
        }
        if parties[later].has_effect() && !leaves_nothing(definition, later) {
            broken.push(format!("`{}` is undone before `{}`", name(step), name(later)));
        }
        behind.extend(&definition.steps[later].dependents);
    }
    broken
}

/// When nothing moves any more and nothing is on its way.
pub(super) fn at_rest(definition: &Definition, saga: &Saga, parties: &[Party]) -> Vec<String> {
    let steps = definition.steps.iter().zip(saga.steps(definition)).zip(parties);
    let mut broken = Vec::new();
    match saga.status() {
        Status::Completed => {
            for ((plan, report), party) in steps {
                let is_skipped = report.status == StepStatus::Skipped;
                if party.has_effect() == is_skipped {
                    let what = if is_skipped { "an effect" } else { "no effect" };
                    broken.push(format!("`{}` has {what} in a completed saga", plan.name));
                }
            }
        }
        Status::Compensated => {
            for (step, party) in parties.iter().enumerate() {
                if party.has_effect() && !leaves_nothing(definition, step) {
                    let name = &definition.steps[step].name;
                    broken.push(format!("`{name}` is left in a compensated saga"));
                }
            }
        }
        Status::Stuck => {
            if saga.cause(definition).is_none_or(|cause| cause.code.is_empty()) {
                broken.push("the saga is stuck and does not say why".to_owned());
            }
        }
        status @ (Status::Running | Status::Compensating) => {
            broken.push(format!("the saga is {status} for ever"));
        }
        status @ (Status::PartlyCompensated | Status::Abandoned) => {
            broken.push(format!("the saga is {status}, and no operator was there"));
        }
    }
    broken
}
