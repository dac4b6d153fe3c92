//! How a script tells what it was asked, and what came of an event.

use saga_core::saga::{Look, Note, Rejection, Timer};
use saga_protocol::{Command, Json, Knowledge, Phase, Timestamp, Undo};

use crate::script::{Play, START};

impl Play<'_> {
    /// The answer to a question.
    pub(crate) fn tell(&self, question: &str) -> String {
        let steps = self.saga.steps(self.definition);
        let outstanding = self.saga.commands(self.definition);
        match question.split_once(' ') {
            None => match question {
                "steps" => list(steps.iter().map(|step| {
                    let mark = if step.resolved { "*" } else { "" };
                    format!("{} {}{mark}", step.name, step.status)
                })),
                "errors" => list(steps.iter().filter_map(|step| {
                    let error = step.error?;
                    Some(format!("{} {}", step.name, error.code))
                })),
                "cause" => self.saga.cause(self.definition).map_or("none".to_owned(), |cause| {
                    let of = cause.step.map(|step| format!(" of {step}")).unwrap_or_default();
                    format!("{}{of}", cause.code)
                }),
                "output" => text(self.saga.output()),
                "overdue" => self.saga.is_overdue().to_string(),
                "next" => self.saga.next_due().map_or("never".to_owned(), offset),
                "timers" => list(self.saga.timers(self.definition).iter().map(timer)),
                "look" => self.tell_look(),
                _ => panic!("no such question: {question}"),
            },
            Some(("body", step)) => {
                let mut commands = outstanding.iter().map(|sent| &sent.command);
                let command = commands.find(|command| command.step.as_str() == step);
                command.map_or("none".to_owned(), |command| {
                    String::from_utf8(command.body.to_vec()).unwrap()
                })
            }
            Some(("output", step)) => {
                let step = steps.iter().find(|report| report.name.as_str() == step);
                text(step.and_then(|step| step.output))
            }
            Some(_) => panic!("no such question: {question}"),
        }
    }

    fn tell_look(&self) -> String {
        let wake_at = self.saga.wake_at(self.now);
        match self.saga.look(self.definition, self.now) {
            Look::Due => "due".to_owned(),
            Look::Resend { commands, again_at } => {
                assert_eq!(wake_at, Some(again_at));
                let again = list(commands.iter().map(|again| command(&again.command)));
                format!("{again} again, look at {}", offset(again_at))
            }
            Look::Wait { until } => {
                assert_eq!(wake_at, Some(until));
                format!("look at {}", offset(until))
            }
            Look::Rest => {
                assert_eq!(wake_at, None);
                "never".to_owned()
            }
        }
    }
}

/// A command in short: its attempt, and what a compensation knows of its action.
pub(crate) fn command(command: &Command) -> String {
    let Command { step, attempt, phase, .. } = command;
    match phase {
        Phase::Action => format!("send {step}#{attempt}"),
        Phase::Query => format!("ask {step}#{attempt}"),
        Phase::Compensation => {
            let undo: Undo = serde_json::from_slice(&command.body).unwrap();
            let known = match undo.action {
                Knowledge::Completed => "completed",
                Knowledge::Unknown => "unknown",
            };
            format!("undo {known} {step}#{attempt}")
        }
    }
}

/// A note in short; that a saga ended, its status says, and how long an answer took, `answered`.
pub(crate) fn note(note: &Note) -> Option<String> {
    match note {
        Note::TurnedBack(cause) => Some(format!("back for {}", cause.code)),
        Note::Stuck { step, fault } => Some(format!("{step} stuck for {}", fault.code)),
        Note::Overdue => Some("overdue".to_owned()),
        Note::Late { step } => Some(format!("{step} late")),
        Note::Contradiction { step, .. } => Some(format!("{step} contradicts")),
        Note::Answered { .. } | Note::Ended(_) => None,
    }
}

/// Why not, in short.
pub(crate) fn rejection(rejection: &Rejection) -> String {
    let parked = if rejection.parks() { ", parked" } else { "" };
    format!("no: {}{parked}", rejection.reason())
}

fn timer(timer: &Timer<'_>) -> String {
    let at = offset(timer.at);
    match timer.what.attempt() {
        Some(attempt) => {
            let undo = if attempt.phase == Phase::Compensation { "undo " } else { "" };
            let (what, step, number) = (timer.what.as_str(), attempt.step, attempt.number);
            format!("{what} {undo}{step}#{number} at {at}")
        }
        None => format!("{} at {at}", timer.what.as_str()),
    }
}

fn offset(time: Timestamp) -> String {
    format!("{:?}", time.since(START))
}

fn text(json: Option<&Json>) -> String {
    json.map_or("none".to_owned(), |json| json.get().to_owned())
}

fn list(items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items.collect();
    if items.is_empty() { "none".to_owned() } else { items.join(", ") }
}
