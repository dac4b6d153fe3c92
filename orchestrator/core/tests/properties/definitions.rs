//! Definitions of all shapes: up to eight steps in any order, with and without a pivot, some of
//! whose expressions fail when they are evaluated.

use proptest::{collection::vec, option, prelude::*, sample::select};
use saga_core::Definition;
use serde_json::{Value, json};

/// The most steps: enough for two diamonds around a pivot.
const STEPS_MAX: usize = 8;

/// How a definition is made.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    steps: Vec<StepPlan>,
    /// The position of the pivot: what stands before it can be undone, what after it cannot.
    pivot: Option<usize>,
    deadline: Option<&'static str>,
    output: Option<&'static str>,
    /// Whether the file names what is needed below what needs it.
    is_reversed: bool,
}

#[derive(Clone, Debug)]
struct StepPlan {
    /// Of every earlier step, whether this one needs it.
    needs: Vec<bool>,
    when: Option<&'static str>,
    input: &'static str,
    undo: &'static str,
    has_query: bool,
    has_output: bool,
    attempts: u32,
    timeout: &'static str,
}

/// Any definition.
pub(crate) fn whatever() -> impl Strategy<Value = Plan> {
    plan(
        select(vec!["input.yes", "input.no", "input.none"]),
        select(vec!["${input.n}", "${input.n}", "${input.none}"]),
        select(vec!["none", "undo", "${action.input}", "${action.output.id}"]),
        select(vec!["${input.n}", "${input.none}"]),
    )
}

/// Any definition none of whose expressions fails.
pub(crate) fn sound() -> impl Strategy<Value = Plan> {
    plan(
        select(vec!["input.yes", "input.no"]),
        Just("${input.n}"),
        select(vec!["none", "undo", "${action.output}"]),
        Just("${input.n}"),
    )
}

fn plan(
    when: impl Strategy<Value = &'static str> + Clone,
    input: impl Strategy<Value = &'static str> + Clone,
    undo: impl Strategy<Value = &'static str> + Clone,
    output: impl Strategy<Value = &'static str> + Clone,
) -> impl Strategy<Value = Plan> {
    let step = (
        vec(any::<bool>(), STEPS_MAX),
        option::weighted(0.3, when),
        input,
        undo,
        (any::<bool>(), any::<bool>(), 1_u32..=3),
        select(vec!["1s", "5s", "20s"]),
    );
    let step =
        step.prop_map(|(needs, when, input, undo, (has_query, has_output, attempts), timeout)| {
            StepPlan { needs, when, input, undo, has_query, has_output, attempts, timeout }
        });
    let pivot = option::of(0..STEPS_MAX);
    let deadline = option::of(select(vec!["2s", "30s"]));
    (vec(step, 1..=STEPS_MAX), pivot, deadline, option::of(output), any::<bool>()).prop_map(
        |(steps, pivot, deadline, output, is_reversed)| Plan {
            pivot: pivot.filter(|pivot| *pivot < steps.len()),
            steps,
            deadline,
            output,
            is_reversed,
        },
    )
}

impl Plan {
    /// The definition, read as one that was stored: sagas run by it, whatever `check` would hold
    /// against it today.
    pub(crate) fn definition(&self) -> Definition {
        let mut steps: Vec<_> = (0..self.steps.len()).map(|step| self.step(step)).collect();
        if self.is_reversed {
            steps.reverse();
        }
        let mut saga = json!({ "saga": "test", "steps": steps });
        if let Some(deadline) = self.deadline {
            saga["deadline"] = json!(deadline);
        }
        if let Some(output) = self.output {
            saga["output"] = json!({ "n": output });
        }
        let text = saga.to_string();
        Definition::from_canonical(&text)
            .unwrap_or_else(|found| panic!("{text} is refused: {found:?}"))
    }

    fn step(&self, index: usize) -> Value {
        let plan = &self.steps[index];
        let retry = json!({ "attempts": plan.attempts, "initial": "1s", "factor": 2, "max": "4s" });
        let mut input = json!({ "n": plan.input });
        for need in self.needs(index).into_iter().filter(|&need| self.steps[need].has_output) {
            input[name(need)] = json!(format!("${{steps.{}.output}}", name(need)));
        }
        let mut step = json!({
            "name": name(index),
            "participant": format!("of-{}", name(index)),
            "action": "act",
            "needs": self.needs(index).into_iter().map(name).collect::<Vec<_>>(),
            "input": input,
            "timeout": plan.timeout,
            "retry": retry,
        });
        let mut set = |field: &str, value: Value| step[field] = value;
        match self.pivot.map(|pivot| index.cmp(&pivot)) {
            Some(std::cmp::Ordering::Equal) => set("kind", json!("pivot")),
            Some(std::cmp::Ordering::Greater) => set("kind", json!("retriable")),
            Some(std::cmp::Ordering::Less) | None if plan.undo == "none" => {
                set("compensation", json!("none"));
            }
            Some(std::cmp::Ordering::Less) | None => {
                set("compensation", json!("undo"));
                set("compensation_retry", retry);
                if plan.undo != "undo" {
                    set("compensation_input", json!({ "was": plan.undo }));
                }
            }
        }
        if let Some(when) = plan.when.filter(|_| self.pivot != Some(index)) {
            set("when", json!(when));
        }
        if plan.has_query {
            set("query", json!("find"));
        }
        if plan.has_output {
            set("output", json!({ "type": "object", "required": ["id"] }));
        }
        step
    }

    /// Earlier steps; the pivot needs all of them, and every later step the pivot.
    fn needs(&self, index: usize) -> Vec<usize> {
        let is_forced = |need: usize| match self.pivot {
            Some(pivot) => index == pivot || (index > pivot && need == pivot),
            None => false,
        };
        let needs = &self.steps[index].needs;
        (0..index).filter(|&need| needs[need] || is_forced(need)).collect()
    }
}

fn name(index: usize) -> String {
    format!("s{index}")
}
