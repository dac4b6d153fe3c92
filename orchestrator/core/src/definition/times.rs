//! Whether the times that a definition gives go together: with each other, with the broker, and
//! with the loss of a message.

use std::time::Duration;

use saga_protocol::StepKind;

use super::{
    Kind, Step,
    diagnostic::Findings,
    duration,
    graph::{Graph, Outline},
    read::Fields,
    tree::Place,
};

/// How long RabbitMQ waits for the acknowledgement of a delivery before it closes the channel,
/// where nobody has set `consumer_timeout`.
const ACK_TIMEOUT: Duration = Duration::from_mins(30);

/// Who waits for an answer.
struct Wait<'a> {
    whose: &'a str,
    /// The field that says how long.
    field: &'a str,
    timeout: Duration,
    /// The field that says how often.
    retry: &'a str,
    attempts: u32,
}

/// Reports times that cannot work, and those that few people want.
pub(super) fn check(
    top: &Fields<'_>,
    deadline: Option<Duration>,
    outlines: &[Outline<'_>],
    steps: &[Option<Step>],
    graph: &Graph,
    findings: &mut Findings<'_>,
) {
    for (outline, step) in outlines.iter().zip(steps) {
        if let Some(step) = step {
            check_step(&outline.fields, step, deadline, findings);
        }
    }
    let known: Option<Vec<_>> = steps.iter().map(Option::as_ref).collect();
    let (Some(deadline), Some(steps)) = (deadline, known) else {
        return;
    };
    let (path, longest) = longest_path(&steps, graph);
    if longest > deadline && path.len() > 1 {
        let names: Vec<_> = path.iter().map(|&step| steps[step].name.as_str()).collect();
        let message = format!(
            "the deadline is `{}`, and one attempt of each of `{}` may take `{}` together",
            duration::write(deadline),
            names.join("`, `"),
            duration::write(longest),
        );
        let hint = "raise the deadline, or lower their `timeout`s";
        findings.warn(place(top, "deadline"), message, hint);
    }
}

fn check_step(
    fields: &Fields<'_>,
    step: &Step,
    deadline: Option<Duration>,
    findings: &mut Findings<'_>,
) {
    let action = Wait {
        whose: "an attempt",
        field: "timeout",
        timeout: step.timeout,
        retry: "retry",
        attempts: step.retry.attempts,
    };
    check_broker(fields, &action, findings);
    check_deadline(fields, step, deadline, findings);
    match &step.kind {
        Kind::Compensatable(undo) => {
            let Some(undo) = undo else { return };
            let undo = Wait {
                whose: "an attempt of the compensation",
                field: "compensation_timeout",
                timeout: undo.timeout,
                retry: "compensation_retry",
                attempts: undo.retry.attempts,
            };
            // One that is as long as the action's by default is told of there.
            if fields.get(undo.field).is_some() {
                check_broker(fields, &undo, findings);
            }
            check_attempts(fields, &undo, findings);
        }
        Kind::Pivot | Kind::Retriable => check_attempts(fields, &action, findings),
    }
}

/// A deadline ends what has not come to the pivot; what comes after is only late. Undoing may take
/// as long as it takes.
fn check_deadline(
    fields: &Fields<'_>,
    step: &Step,
    deadline: Option<Duration>,
    findings: &mut Findings<'_>,
) {
    let Some(deadline) = deadline.filter(|deadline| step.timeout >= *deadline) else {
        return;
    };
    let place = place(fields, "timeout");
    let (timeout, deadline) = (duration::write(step.timeout), duration::write(deadline));
    let hint = "lower `timeout`, or raise the `deadline` of the saga";
    match step.kind {
        Kind::Compensatable(_) => {
            let message = format!(
                "an attempt may take `{timeout}`, and the saga turns back after `{deadline}`"
            );
            findings.add_with_hint(place, message, hint);
        }
        Kind::Pivot | Kind::Retriable => {
            let message =
                format!("an attempt may take `{timeout}`, and the saga is late after `{deadline}`");
            findings.warn(place, message, hint);
        }
    }
}

fn check_broker(fields: &Fields<'_>, wait: &Wait<'_>, findings: &mut Findings<'_>) {
    let Wait { whose, field, timeout, .. } = wait;
    if *timeout > ACK_TIMEOUT {
        let (timeout, max) = (duration::write(*timeout), duration::write(ACK_TIMEOUT));
        let message = format!(
            "{whose} may take `{timeout}`, and RabbitMQ takes a command back that is not \
             acknowledged for `{max}`"
        );
        let hint = "let the participant acknowledge it early, as an effect outside does \
                    (docs/participants.md), or raise `consumer_timeout` of the broker";
        findings.warn(place(fields, field), message, hint);
    }
}

fn check_attempts(fields: &Fields<'_>, wait: &Wait<'_>, findings: &mut Findings<'_>) {
    let Wait { whose, retry, attempts, .. } = wait;
    if *attempts == 1 {
        let message = format!("{whose} is the only one: one lost answer, and it needs an operator");
        let hint = "give it more `attempts`; participants do nothing twice";
        findings.warn(place(fields, retry), message, hint);
    }
}

/// The steps that may keep a saga from its pivot for longest, if all goes well, and for how long.
/// From the pivot on, a deadline does nothing.
fn longest_path(steps: &[&Step], graph: &Graph) -> (Vec<usize>, Duration) {
    let mut order: Vec<_> = (0..steps.len())
        .filter(|&step| steps[step].kind.word() == StepKind::Compensatable)
        .collect();
    // Whatever is before has less before it.
    order.sort_by_key(|&step| order_of(step, steps.len(), graph));
    let mut best: Vec<(Duration, Option<usize>)> = vec![(Duration::ZERO, None); steps.len()];
    for &step in &order {
        let before = graph.needs[step].iter().map(|&need| (best[need].0, Some(need)));
        let (before, by) = before.max_by_key(|(time, _)| *time).unwrap_or_default();
        best[step] = (before + steps[step].timeout, by);
    }
    let last = order.iter().copied().max_by_key(|&step| best[step].0);
    let mut path = Vec::new();
    let mut at = last;
    while let Some(step) = at {
        path.push(step);
        at = best[step].1;
    }
    path.reverse();
    (path, last.map_or(Duration::ZERO, |last| best[last].0))
}

/// How many steps are always before this.
fn order_of(step: usize, count: usize, graph: &Graph) -> usize {
    (0..count).filter(|&other| graph.is_before(other, step)).count()
}

fn place(fields: &Fields<'_>, name: &str) -> Place {
    fields.get(name).map_or(fields.place, |node| node.place)
}
