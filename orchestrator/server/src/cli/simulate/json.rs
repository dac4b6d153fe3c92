//! `saga simulate --json`: every run with no fault or one, and what all runs came to.

use saga_core::rehearsal::{Mishap, Run};
use serde_json::{Map, Value, json};

use super::found::{Ends, Simulated};

/// All definitions in one document. Its items are the runs, and what is wrong with files.
pub(super) fn document(all: &[Simulated], wrong: &[Value]) -> String {
    let runs = all.iter().flat_map(|simulated| {
        let otherwise = simulated.pairs.iter().flat_map(|pairs| &pairs.otherwise);
        simulated.singles.iter().chain(otherwise).map(|run| item(simulated, run))
    });
    let items: Vec<_> = runs.collect();
    let definitions: Vec<_> = all.iter().map(definition).collect();
    json!({ "items": items, "next": null, "definitions": definitions, "wrong": wrong }).to_string()
}

fn item(simulated: &Simulated, run: &Run) -> Value {
    let undone = run.undone.iter().map(|undone| {
        json!({ "step": simulated.name(undone.step), "nothing_to_undo": !undone.there_was })
    });
    let stuck = run.stuck.iter().map(|stuck| {
        json!({ "step": simulated.name(stuck.step), "phase": stuck.phase, "code": stuck.code })
    });
    json!({
        "definition": simulated.definition,
        "case": run.case,
        "faults": mishaps(simulated, &run.mishaps),
        "after": mishaps(simulated, &run.ways),
        "ends": run.ends,
        "is_otherwise": !run.is_sound(),
        "because": run.because,
        "stuck": stuck.collect::<Vec<_>>(),
        "undone": undone.collect::<Vec<_>>(),
        "at_worst_ms": millis(run.at_worst),
        "messages": run.messages,
        "broken": run.broken,
    })
}

fn mishaps(simulated: &Simulated, mishaps: &[Mishap]) -> Value {
    let told = mishaps.iter().map(|mishap| {
        let step = simulated.name(mishap.step);
        json!({ "step": step, "phase": mishap.phase, "fault": mishap.what.as_str() })
    });
    told.collect()
}

fn definition(simulated: &Simulated) -> Value {
    let cases = simulated.cases.iter().map(|case| {
        let skipped = case.ran.iter().enumerate().filter(|(_, ran)| **ran == Some(false));
        let skipped: Vec<_> = skipped.map(|(step, _)| simulated.name(step)).collect();
        json!({ "case": case.number, "input": case.input, "skipped": skipped })
    });
    let one_way = simulated
        .one_way
        .iter()
        .map(|one_way| json!({ "step": simulated.name(one_way.step), "always": one_way.always }));
    let stuck = simulated.stuck().into_iter().map(|((step, phase, code), needs_two)| {
        json!({
            "step": simulated.name(step),
            "phase": phase,
            "code": code,
            "needs_two_faults": needs_two,
        })
    });
    let pairs = simulated.pairs.as_ref().map(|pairs| {
        json!({
            "possible": pairs.possible,
            "tried": pairs.tried,
            "runs": pairs.ends.runs,
            "ends": ends(&pairs.ends),
            "longest_ms": millis(pairs.ends.longest),
        })
    });
    let singles = simulated.ends();
    json!({
        "file": simulated.file,
        "definition": simulated.definition,
        "version": simulated.version,
        "cases": cases.collect::<Vec<_>>(),
        "completes": simulated.incomplete().next().is_none(),
        "conditions_one_way": one_way.collect::<Vec<_>>(),
        "singles": {
            "runs": singles.runs,
            "ends": ends(&singles),
            "longest_ms": millis(singles.longest),
        },
        "pairs": pairs,
        "stuck": stuck.collect::<Vec<_>>(),
    })
}

fn ends(ends: &Ends) -> Value {
    let by_status = ends.by_status.iter().map(|(status, runs)| (status.to_string(), json!(runs)));
    let mut all: Map<_, _> = by_status.collect();
    all.insert("otherwise".to_owned(), json!(ends.otherwise));
    Value::Object(all)
}

fn millis(length: std::time::Duration) -> Value {
    json!(u64::try_from(length.as_millis()).unwrap_or(u64::MAX))
}
