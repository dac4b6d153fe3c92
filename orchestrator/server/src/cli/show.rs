//! `saga show`: one saga as a tree of steps, each forward and backward.

use std::fmt::Write;

use saga_protocol::SagaId;

use super::{
    Failure, Status,
    client::Client,
    output,
    view::{Saga, Step, count, span, style, time},
};
use crate::settings;

/// What `saga show` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The saga
    id: SagaId,
    #[command(flatten)]
    client: settings::Client,
}

/// Shows it.
pub(crate) async fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let client = Client::new(&arguments.client)?;
    let answer = client.get(&["v1", "sagas", &arguments.id.to_string()], &[]).await?;
    match arguments.client.json {
        true => output::data(&answer.body)?,
        false => output::data(&render(&answer.read()?))?,
    }
    Ok(Status::Done)
}

/// A saga in lines of text.
pub(super) fn render(saga: &Saga) -> String {
    let mut text = String::new();
    let painted = style(saga.status.as_str());
    line(&mut text, &format!("{}: {painted}{}{painted:#}", saga.definition, saga.status()));
    for (position, step) in saga.steps.iter().enumerate() {
        let above = position.checked_sub(1).map(|above| &saga.steps[above]);
        let is_last = position + 1 == saga.steps.len();
        let (branch, stem) = if is_last { ("└─", "  ") } else { ("├─", "│ ") };
        line(&mut text, &format!("{branch} {}", headline(step, above)));
        let leaves = leaves(step);
        for (position, leaf) in leaves.iter().enumerate() {
            let branch = if position + 1 == leaves.len() { "└─" } else { "├─" };
            line(&mut text, &format!("{stem} {branch} {leaf}"));
        }
    }
    text.push('\n');
    for (name, value) in facts(saga) {
        line(&mut text, &format!("{name:<9}{value}"));
    }
    text
}

/// A step's name, status and what is unusual about it.
fn headline(step: &Step, above: Option<&Step>) -> String {
    let painted = style(step.status.as_str());
    let mut text = format!("{}: {painted}{}{painted:#}", step.name, step.status);
    if step.resolved {
        text.push_str(", by an operator");
    }
    if step.kind.as_str() != "compensatable" {
        write!(text, ", {}", step.kind).expect("a string takes everything");
    }
    let usual: Vec<_> = above.map(|above| &above.name).into_iter().collect();
    let needs: Vec<_> = step.needs.iter().collect();
    if needs != usual {
        let needs: Vec<_> = needs.iter().map(|need| need.as_str()).collect();
        let needs = if needs.is_empty() { "nothing".to_owned() } else { needs.join(", ") };
        write!(text, ", needs {needs}").expect("a string takes everything");
    }
    text
}

/// What was asked of the participant, in either direction, and what went wrong last.
fn leaves(step: &Step) -> Vec<String> {
    let mut leaves = Vec::new();
    let participant = &step.participant;
    let asked = |direction: &str, action: &str, attempts, since| {
        let attempts = count(attempts, "attempt");
        format!("{direction:<8}  {participant}.{action}, {attempts} since {}", time(since))
    };
    if let Some(started_at) = step.started_at {
        leaves.push(asked("forward", step.action.as_str(), step.attempts, started_at));
    }
    if let Some(undo) = &step.compensation {
        leaves.push(asked("backward", undo.action.as_str(), undo.attempts, undo.started_at));
    }
    if let Some(error) = &step.error {
        leaves.push(format!("{:<8}  {error}", "error"));
    }
    leaves
}

/// What there is to say of the saga as a whole.
fn facts(saga: &Saga) -> Vec<(&'static str, String)> {
    let mut facts = vec![("id", saga.id.to_string())];
    facts.extend(saga.key.as_ref().map(|key| ("key", key.to_string())));
    facts.push(("version", saga.version.to_string()));
    let worth = saga.value.as_ref();
    facts.extend(
        worth.map(|worth| ("value", format!("{} {} in minor units", worth.amount, worth.currency))),
    );
    facts.extend(saga.cause.as_ref().map(|cause| ("cause", cause.to_string())));
    facts.push(("created", time(saga.created_at)));
    facts.extend(saga.finished_at.map(|finished_at| {
        let lasted = span(finished_at.since(saga.created_at));
        ("ended", format!("{}, after {lasted}", time(finished_at)))
    }));
    facts.extend(saga.next_wake_at.map(|at| ("wakes", time(at))));
    facts
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
