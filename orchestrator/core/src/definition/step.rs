//! One step of a file, once the order of all steps is known.

use std::time::Duration;

use saga_protocol::StepKind;

use super::{
    Kind, Retry, Schema, Step, Template,
    diagnostic::Findings,
    dialect,
    format::{
        ACTION_BYTES_MAX, ATTEMPTS_MAX, COMPENSATION_DETAILS, FACTOR_MAX, NO_COMPENSATION, RETRY,
        TIMEOUT, WAIT_MAX,
    },
    graph::{Graph, Outline},
    model::Compensation,
    read::{self, Fields},
    scope::{Sight, Stage, View},
    template,
    tree::Node,
    types::{Typing, Wants},
};

/// All steps of the definition, and their order.
pub(super) struct Neighbours<'a, 't> {
    pub(super) steps: &'a [Outline<'t>],
    pub(super) graph: &'a Graph,
    /// What is known of what they read; `None` for what is stored.
    pub(super) typing: Option<&'a Typing<'a>>,
}

/// Reads a step, and reports all that is wrong with it.
pub(super) fn read(
    around: &Neighbours<'_, '_>,
    index: usize,
    findings: &mut Findings<'_>,
) -> Option<Step> {
    let Outline { fields, name, kind } = &around.steps[index];
    let view = around.view(index);
    let participant = fields.read("participant", findings, read::word);
    let action = fields.read("action", findings, read_action);
    let query = fields.read("query", findings, read_action);
    let when = fields.read("when", findings, |node, findings| {
        if *kind == Some(StepKind::Pivot) {
            findings.add(node.place, "a pivot cannot have `when`: it always runs");
        }
        template::bare_expression(node, &view, Wants::Condition, findings)
    });
    let view = view.when(when.as_ref());
    let input = match fields.get("input") {
        Some(node) => Template::parse(node, &view, findings),
        None => Some(Template::empty()),
    };
    let output = fields.read("output", findings, |node, findings| match around.typing {
        Some(_) => dialect::parse(node, findings),
        None => Schema::parse(node, findings),
    });
    let timeout = read_wait(fields, "timeout", TIMEOUT, findings);
    let defaults = match kind {
        Some(StepKind::Compensatable | StepKind::Pivot) | None => Retry::BRIEF,
        Some(StepKind::Retriable) => Retry::PERSISTENT,
    };
    let retry = read_retry(fields, "retry", defaults, findings);
    let kind = match kind {
        Some(StepKind::Compensatable) => {
            let timeout = timeout.unwrap_or(TIMEOUT);
            let view = view.undoing(input.as_ref(), around.steps[index].label());
            read_compensatable(fields, &view, timeout, findings)
        }
        Some(kind @ StepKind::Pivot) => {
            no_compensation(fields, *kind, findings).then_some(Kind::Pivot)
        }
        Some(kind @ StepKind::Retriable) => {
            no_compensation(fields, *kind, findings).then_some(Kind::Retriable)
        }
        None => None,
    };
    Some(Step {
        name: name.clone()?,
        participant: participant?,
        action: action?,
        kind: kind?,
        needs: around.graph.needs[index].clone(),
        dependents: around.graph.dependents(index),
        when,
        query,
        input: input?,
        output,
        timeout: timeout?,
        retry: retry?,
    })
}

impl<'a> Neighbours<'a, '_> {
    /// What the expressions of a step may read.
    fn view(&self, index: usize) -> View<'a> {
        let sight = |other: usize| {
            if other == index {
                Sight::Itself
            } else if !self.graph.is_before(other, index) {
                Sight::NotBefore
            } else if self.steps[other].fields.get("output").is_some() {
                Sight::Readable
            } else {
                Sight::Undeclared
            }
        };
        let are_named = self.steps.iter().all(|step| step.name.is_some());
        let steps = self.steps.iter().enumerate();
        let steps = steps.map(|(other, step)| (step.label(), sight(other))).collect();
        View { saga: Stage::Running, steps, are_named, typing: self.typing.cloned() }
    }
}

fn read_compensatable(
    fields: &Fields<'_>,
    view: &View<'_>,
    timeout: Duration,
    findings: &mut Findings<'_>,
) -> Option<Kind> {
    let Some(node) = fields.get("compensation") else {
        let message = "a compensatable step needs a field `compensation`";
        let hint = "name the action that undoes it; `compensation: none` says that nothing does";
        findings.add_with_hint(fields.place, message, hint);
        return None;
    };
    let action = read_action(node, findings)?;
    if action == NO_COMPENSATION {
        let what = "the step has no compensation, so this means nothing";
        return refuse(fields, &COMPENSATION_DETAILS, what, findings)
            .then_some(Kind::Compensatable(None));
    }
    let input = fields.read("compensation_input", findings, |node, findings| {
        Template::parse(node, view, findings)
    });
    let timeout = read_wait(fields, "compensation_timeout", timeout, findings);
    let retry = read_retry(fields, "compensation_retry", Retry::PERSISTENT, findings);
    let compensation = Compensation { action, input, timeout: timeout?, retry: retry? };
    Some(Kind::Compensatable(Some(Box::new(compensation))))
}

fn no_compensation(fields: &Fields<'_>, kind: StepKind, findings: &mut Findings<'_>) -> bool {
    let what = format!("a {kind} step is never undone, so it has no compensation");
    let is_none = refuse(fields, &["compensation"], &what, findings);
    refuse(fields, &COMPENSATION_DETAILS, &what, findings) && is_none
}

/// Reports those of the fields that are there; whether there are none.
fn refuse(fields: &Fields<'_>, names: &[&str], why: &str, findings: &mut Findings<'_>) -> bool {
    let there: Vec<_> = names.iter().filter_map(|name| fields.entry(name)).collect();
    there.iter().for_each(|entry| findings.add(entry.place, why));
    there.is_empty()
}

fn read_action(node: &Node, findings: &mut Findings<'_>) -> Option<String> {
    let name = read::text(node, findings)?;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !starts_well || name.len() > ACTION_BYTES_MAX || !name.chars().all(is_allowed) {
        let message = format!(
            "`{name}` is not a valid action name: it takes 1 to {ACTION_BYTES_MAX} of `a-z`, \
             `A-Z`, `0-9`, `_` and `-`, beginning with a letter"
        );
        findings.add(node.place, message);
        return None;
    }
    Some(name.to_owned())
}

fn read_wait(
    fields: &Fields<'_>,
    name: &str,
    default: Duration,
    findings: &mut Findings<'_>,
) -> Option<Duration> {
    match fields.get(name) {
        Some(node) => read::duration(node, WAIT_MAX, findings),
        None => Some(default),
    }
}

fn read_retry(
    fields: &Fields<'_>,
    name: &'static str,
    defaults: Retry,
    findings: &mut Findings<'_>,
) -> Option<Retry> {
    let Some(node) = fields.get(name) else {
        return Some(defaults);
    };
    let fields = Fields::of(node, &RETRY, findings)?;
    let attempts = match fields.get("attempts") {
        Some(node) => read::integer(node, &(1..=ATTEMPTS_MAX), findings),
        None => Some(defaults.attempts),
    };
    let factor = match fields.get("factor") {
        Some(node) => read::number(node, &(1.0..=FACTOR_MAX), findings),
        None => Some(defaults.factor),
    };
    let initial = read_wait(&fields, "initial", defaults.initial, findings);
    let max = read_wait(&fields, "max", defaults.max, findings);
    let retry = Retry { attempts: attempts?, initial: initial?, factor: factor?, max: max? };
    if retry.initial > retry.max {
        let message = "the first wait is longer than the longest";
        let hint = "raise `max`, or lower `initial`";
        findings.add_with_hint(fields.place, message, hint);
        return None;
    }
    Some(retry)
}
