//! What a saga says, held against what its participants truly did.

use saga_core::{
    Definition,
    definition::Kind,
    saga::{Note, Status, StepStatus},
};

use crate::{
    laws::{descendants, hold},
    participants::{Party, World},
    shape::Shape,
};

/// A completed saga has the effect of every step that was not skipped; a compensated one has none,
/// and never will. What an operator settled is as he says.
pub(crate) fn check_end(
    definition: &Definition,
    shape: &Shape,
    world: &World,
) -> Result<(), String> {
    let any_kept = world.parties.iter().any(|party| party.is_kept);
    match shape.status {
        Status::Running | Status::Compensating | Status::Stuck => return Ok(()),
        Status::Abandoned => {
            hold!(world.is_abandoned, "abandoned, and no operator said so");
            return Ok(());
        }
        Status::Completed => {}
        Status::Compensated => hold!(!any_kept, "compensated, and an effect was let stand"),
        Status::PartlyCompensated => hold!(any_kept, "no operator let an effect stand"),
    }
    for (index, (party, step)) in world.parties.iter().zip(&shape.steps).enumerate() {
        let plan = &definition.steps[index];
        hold!(step.resolved == party.is_settled_by_hand, "`{}` hides an operator", plan.name);
        let is_true = if party.is_settled_by_hand {
            true
        } else if shape.status == Status::Completed {
            match step.status {
                StepStatus::Skipped => party.is_void(),
                _ => party.has_effect(),
            }
        } else {
            let is_free = matches!(plan.kind, Kind::Compensatable(None));
            party.is_void() || (is_free && step.status == StepStatus::Compensated)
        };
        let status = shape.status;
        hold!(is_true, "the saga is {status} with `{}` {}: {party:?}", plan.name, step.status);
    }
    Ok(())
}

/// When an effect is undone, nothing that was built on it is left.
pub(crate) fn check_order(
    definition: &Definition,
    world: &World,
    step: usize,
    after: &Party,
) -> Result<(), String> {
    if !after.undid(&world.parties[step]) {
        return Ok(());
    }
    for later in descendants(definition, step) {
        let (plan, party) = (&definition.steps[later], &world.parties[later]);
        let is_exempt = party.is_settled_by_hand || matches!(plan.kind, Kind::Compensatable(None));
        let name = &definition.steps[step].name;
        hold!(is_exempt || party.is_void(), "`{name}` is undone, and `{}` is not", plan.name);
    }
    Ok(())
}

/// Participants that keep their word contradict only operators.
pub(crate) fn check_notes(world: &World, notes: &[Note]) -> Result<(), String> {
    let by_hand = world.parties.iter().any(|party| party.is_settled_by_hand);
    let contradiction = notes.iter().find(|note| matches!(note, Note::Contradiction { .. }));
    hold!(by_hand || contradiction.is_none(), "{contradiction:?}");
    Ok(())
}
