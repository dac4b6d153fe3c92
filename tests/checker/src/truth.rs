//! Truthful ends, and effects once: what sagas say, held against what participants did.

use std::collections::BTreeMap;

use saga_core::{
    definition::Kind,
    saga::{Status, StepReport, StepStatus},
};
use saga_protocol::{ParticipantName, Phase, SagaId, StepName};

use crate::{Deed, Ended, Ledger, Seen, SeenSaga, Violation, saga::Replayed};

/// Of whose step something is.
type Place<'a> = (SagaId, &'a StepName, &'a ParticipantName);

/// Whether an effect of this step is in force.
fn in_force(seen: &Seen, place: Place<'_>) -> bool {
    let acts = seen.acts.iter().filter(|act| (act.saga_id, &act.step, &act.participant) == place);
    acts.fold(0, |sum, act| sum + if act.deed == Deed::Did { 1 } else { -1 }) > 0
}

/// A saga has come far enough, and what it says of its steps is so. What an operator settled is as
/// he says.
pub(crate) fn check_end(replayed: &Replayed<'_>, seen: &Seen) -> Vec<Violation> {
    let mut violations: Vec<_> = check_progress(replayed, seen.ended).into_iter().collect();
    let id = replayed.seen.id;
    let status = replayed.saga.status();
    for (index, step) in replayed.saga.steps(replayed.definition).iter().enumerate() {
        let has_effect = in_force(seen, (id, step.name, step.participant));
        let kind = &replayed.definition.steps[index].kind;
        let name = step.name;
        match status {
            Status::Completed if lacks(step, has_effect) => {
                let promise = "a completed saga has the effect of each of its steps";
                let what = format!("{id} lacks {name}, which is {}", step.status);
                violations.push(Violation::new(promise, what));
            }
            Status::Completed if step.status == StepStatus::Skipped && has_effect => {
                if !step.resolved {
                    let what = format!("{id} has the effect of {name}");
                    violations.push(Violation::new("what was skipped was not done", what));
                }
            }
            Status::Compensated | Status::PartlyCompensated if has_effect => {
                let is_free = matches!(kind, Kind::Compensatable(None))
                    && step.status == StepStatus::Compensated;
                if !step.resolved && !is_free {
                    let what = format!("{id} left {name}, which is {}", step.status);
                    violations.push(Violation::new("a compensated saga leaves no effect", what));
                }
            }
            Status::Running
            | Status::Compensating
            | Status::Completed
            | Status::Compensated
            | Status::PartlyCompensated
            | Status::Stuck
            | Status::Abandoned => {}
        }
    }
    violations
}

fn lacks(step: &StepReport<'_>, has_effect: bool) -> bool {
    match step.status {
        StepStatus::Skipped => false,
        StepStatus::Completed => !has_effect && !step.resolved,
        _ => true,
    }
}

fn check_progress(replayed: &Replayed<'_>, ended: Ended) -> Option<Violation> {
    let SeenSaga { id, status, is_paused, wakes, is_finished, trouble, .. } = replayed.seen;
    let is_end =
        matches!(status.as_str(), "completed" | "compensated" | "partly_compensated" | "abandoned");
    let is_told = trouble.is_some() || replayed.saga.cause(replayed.definition).is_some();
    let is_stuck = ended == Ended::OrStuck && status == "stuck" && is_told && !is_paused;
    let is_whole = is_end == *is_finished && !(is_end && (*wakes || *is_paused));
    let is_over = is_whole && (is_end || is_stuck);
    let what = || {
        let looked_at = if *wakes { "looked at" } else { "left alone" };
        let version = replayed.seen.version;
        format!("{id} is {status} at version {version}, paused: {is_paused}, {looked_at}")
    };
    (!is_over).then(|| Violation::new("every saga ends", what()))
}

/// Effects are once, where they belong, remembered, and paid for.
pub(crate) fn check_acts(seen: &Seen) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut places: BTreeMap<Place<'_>, (u32, u32)> = BTreeMap::new();
    for act in &seen.acts {
        let place = (act.saga_id, &act.step, &act.participant);
        let (did, undid) = places.entry(place).or_default();
        match act.deed {
            Deed::Did => *did += 1,
            Deed::Undid => *undid += 1,
        }
        if undid > did {
            let what = format!("{} {} is undone and was not there", act.saga_id, act.step);
            violations.push(Violation::new("only an effect is undone, and once", what));
        }
    }
    let sagas: BTreeMap<_, _> = seen.sagas.iter().map(|saga| (saga.id, saga)).collect();
    for (&(id, step, participant), &(did, undid)) in &places {
        let (id_, promise) = (id, "every effect is that of a step of a saga");
        let definition =
            sagas.get(&id).and_then(|saga| seen.definitions.get(&saga.definition_hash));
        let planned = definition.and_then(|plan| Some(&plan.steps[plan.step(step)?].participant));
        if planned != Some(participant) {
            violations.push(Violation::new(promise, format!("{id_} {step} by {participant}")));
        }
        if did > 1 {
            let what = format!("{id} {step} was done {did} times");
            violations.push(Violation::new("every effect is there once", what));
        }
        violations.extend(check_barrier(seen, (id, step, participant), did > undid));
    }
    for row in seen.barrier.iter().filter(|row| row.phase == Phase::Action && row.is_completed) {
        if !places.contains_key(&(row.saga_id, &row.step, &row.participant)) {
            violations.push(forgotten(row.saga_id, &row.step, "has no effect"));
        }
    }
    violations.extend(seen.ledgers.iter().filter_map(check_ledger));
    violations
}

fn check_barrier(seen: &Seen, place: Place<'_>, in_force: bool) -> Option<Violation> {
    let (id, step, _) = place;
    let has = |phase| {
        let mut rows = seen.barrier.iter().filter(|row| row.is_completed && row.phase == phase);
        rows.any(|row| (row.saga_id, &row.step, &row.participant) == place)
    };
    let (done, undone) = (has(Phase::Action), has(Phase::Compensation));
    match in_force {
        true if !done => Some(forgotten(id, step, "is not remembered")),
        true if undone => Some(forgotten(id, step, "is there and remembered as undone")),
        false if !undone => Some(forgotten(id, step, "is gone and not remembered as undone")),
        true | false => None,
    }
}

fn forgotten(id: SagaId, step: &StepName, what: &str) -> Violation {
    let promise =
        "the barrier has an action completed where the effect was, and undone where it is no more";
    Violation::new(promise, format!("{id} {step} {what}"))
}

fn check_ledger(ledger: &Ledger) -> Option<Violation> {
    let Ledger { promise, name, before, now, taken } = ledger;
    let what = || format!("{name} has {now} beside {taken} taken of {before}");
    (now + taken != *before).then(|| Violation::new(promise, what()))
}
