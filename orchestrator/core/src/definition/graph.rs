//! The order of steps: what each needs, and whether that leaves a way through; pivot and kinds.

use saga_protocol::{StepKind, StepName};

use super::{
    diagnostic::Findings,
    nearest::did_you_mean,
    read::{self, Fields},
    tree::{Node, Place, Value},
};

/// What of a step its place in the order depends on.
pub(super) struct Outline<'t> {
    pub(super) fields: Fields<'t>,
    /// `None` where that was refused.
    pub(super) name: Option<StepName>,
    /// `None` where that was refused.
    pub(super) kind: Option<StepKind>,
}

/// The order of the steps, by position.
pub(super) struct Graph {
    /// What each step needs, directly.
    pub(super) needs: Vec<Vec<usize>>,
    /// Whether the first step runs after the second, always: `after[first][second]`.
    after: Vec<Vec<bool>>,
}

impl Outline<'_> {
    /// The name as it is written, refused or not.
    pub(super) fn label(&self) -> &str {
        match self.fields.get("name").map(|node| &node.value) {
            Some(Value::Text(name)) => name,
            _ => "?",
        }
    }
}

impl Graph {
    /// Reads `needs` of every step, and reports whatever stands against running them.
    pub(super) fn read(steps: &[Outline<'_>], findings: &mut Findings<'_>) -> Self {
        check_names(steps, findings);
        let needs: Vec<_> =
            (0..steps.len()).map(|step| read_needs(steps, step, findings)).collect();
        let graph = Self { after: closure(&needs), needs };
        graph.check_cycles(steps, findings);
        graph.check_kinds(steps, findings);
        graph
    }

    /// Whether `earlier` is always settled before `later` begins.
    pub(super) fn is_before(&self, earlier: usize, later: usize) -> bool {
        self.after[later][earlier]
    }

    /// Whether no step needs itself, through whatever many others.
    pub(super) fn has_way(&self) -> bool {
        (0..self.needs.len()).all(|step| !self.after[step][step])
    }

    /// The steps that need each step, directly.
    pub(super) fn dependents(&self, step: usize) -> Vec<usize> {
        (0..self.needs.len()).filter(|&other| self.needs[other].contains(&step)).collect()
    }

    fn check_cycles(&self, steps: &[Outline<'_>], findings: &mut Findings<'_>) {
        let mut reported = vec![false; steps.len()];
        for step in 0..steps.len() {
            if reported[step] || !self.after[step][step] {
                continue;
            }
            let members: Vec<_> = (step..steps.len())
                .filter(|&other| self.after[step][other] && self.after[other][step])
                .collect();
            members.iter().for_each(|&member| reported[member] = true);
            let names: Vec<_> =
                members.iter().map(|&member| format!("`{}`", steps[member].label())).collect();
            let message = format!("steps need each other in a circle: {}", names.join(", "));
            let hint = "remove one of them from `needs` of another";
            findings.add_with_hint(needs_place(&steps[step].fields), message, hint);
        }
    }

    /// At most one pivot; all that can be undone before it, all that cannot fail after it.
    fn check_kinds(&self, steps: &[Outline<'_>], findings: &mut Findings<'_>) {
        let of_kind = |kind| (0..steps.len()).filter(move |&step| steps[step].kind == Some(kind));
        let mut pivots = of_kind(StepKind::Pivot);
        let Some(pivot) = pivots.next() else {
            if steps.iter().any(|step| step.kind.is_none()) {
                return;
            }
            for step in of_kind(StepKind::Retriable) {
                let message = "a retriable step comes after the pivot, and there is no pivot";
                let hint = "say `kind: pivot` of the step after which there is no way back";
                findings.add_with_hint(kind_place(&steps[step].fields), message, hint);
            }
            return;
        };
        let label = steps[pivot].label();
        for second in pivots {
            let message = format!("step `{label}` is the pivot already, and a saga has one");
            let hint = "say `kind: retriable` of what cannot be undone after it";
            findings.add_with_hint(kind_place(&steps[second].fields), message, hint);
        }
        for step in of_kind(StepKind::Compensatable).filter(|&step| !self.is_before(step, pivot)) {
            let name = steps[step].label();
            let message =
                format!("step `{name}` can be undone, but may run after the pivot `{label}`");
            let hint = format!("let `{label}` need it, or say `kind: retriable`");
            findings.add_with_hint(steps[step].fields.place, message, hint);
        }
        for step in of_kind(StepKind::Retriable).filter(|&step| !self.is_before(pivot, step)) {
            let name = steps[step].label();
            let message =
                format!("step `{name}` is retriable, but may run before the pivot `{label}`");
            let hint = format!("let it need `{label}`");
            findings.add_with_hint(needs_place(&steps[step].fields), message, hint);
        }
    }
}

fn check_names(steps: &[Outline<'_>], findings: &mut Findings<'_>) {
    for (index, step) in steps.iter().enumerate() {
        let Some(name) = &step.name else { continue };
        if steps[..index].iter().any(|earlier| earlier.name.as_ref() == Some(name)) {
            let place = step.fields.get("name").map_or(step.fields.place, |node| node.place);
            findings.add(place, format!("there is a step `{name}` already"));
        }
    }
}

fn read_needs(steps: &[Outline<'_>], step: usize, findings: &mut Findings<'_>) -> Vec<usize> {
    let Some(node) = steps[step].fields.get("needs") else {
        return step.checked_sub(1).into_iter().collect();
    };
    let mut needs = Vec::new();
    for item in read::list(node, findings).unwrap_or_default() {
        let Some(need) = read_need(steps, step, item, findings) else { continue };
        if needs.contains(&need) {
            findings.add(item.place, format!("`{}` is named twice", steps[need].label()));
        } else {
            needs.push(need);
        }
    }
    needs
}

fn read_need(
    steps: &[Outline<'_>],
    step: usize,
    item: &Node,
    findings: &mut Findings<'_>,
) -> Option<usize> {
    let name = read::text(item, findings)?;
    let found = steps.iter().position(|other| other.label() == name);
    match found {
        Some(need) if need == step => {
            findings.add(item.place, format!("step `{name}` cannot need itself"));
            None
        }
        Some(need) => Some(need),
        None => {
            let hint = did_you_mean(name, steps.iter().map(Outline::label));
            findings.push(item.place, format!("there is no step `{name}`"), hint);
            None
        }
    }
}

/// Everything that each step runs after, through whatever many steps.
fn closure(needs: &[Vec<usize>]) -> Vec<Vec<bool>> {
    let count = needs.len();
    let mut after = vec![vec![false; count]; count];
    for (step, needs) in needs.iter().enumerate() {
        needs.iter().for_each(|&need| after[step][need] = true);
    }
    for middle in 0..count {
        for step in 0..count {
            if after[step][middle] {
                let through = after[middle].clone();
                after[step].iter_mut().zip(through).for_each(|(after, through)| *after |= through);
            }
        }
    }
    after
}

fn needs_place(fields: &Fields<'_>) -> Place {
    fields.get("needs").map_or(fields.place, |node| node.place)
}

fn kind_place(fields: &Fields<'_>) -> Place {
    fields.get("kind").map_or(fields.place, |node| node.place)
}
