//! Anything that can happen to a saga, sensible or not, chosen before it is known what the saga
//! will be like by then.

use proptest::{option, prelude::*, sample::select};
use saga_core::saga::{Answer, Event, Order, Resolution, Verb};
use saga_protocol::{BodyHash, Fault, Json, Outcome, ParticipantName, Phase, ReplyBody, StepName};
use serde_json::value::RawValue;

use crate::history::History;

/// Outputs: fitting the schemas, not fitting them, saying that there was nothing, and odd ones.
const OUTPUTS: [&str; 6] = [
    r#"{"id":1}"#,
    "null",
    r#"{ "id" : 1e400, "\u0000": [ ] }"#,
    r#"{"nothing_to_undo":true}"#,
    r#"{"nothing_to_undo":7}"#,
    "LARGE",
];

/// One thing that happens.
#[derive(Clone, Debug)]
pub(crate) enum Choice {
    /// Somebody answers a command that is unanswered.
    Answer { which: usize, said: Said },
    /// Somebody says something about any step.
    Garbage { step: usize, phase: Phase, attempt: u32, said: Said, forged: Forged },
    /// Time passes: to what is due next, or by so much, back too.
    Time { millis: Option<i64> },
    /// An operator orders something.
    Order { verb: usize, step: usize, said: Said },
}

/// What somebody says.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    outcome: Outcome,
    output: Option<&'static str>,
    code: Option<&'static str>,
}

/// What is wrong with an answer besides what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Forged {
    Nothing,
    Participant,
    Body,
    Step,
}

/// Anything, with a draw for the jitter.
pub(crate) fn whatever() -> impl Strategy<Value = (Choice, u32)> {
    let answer = (0_usize..8, said()).prop_map(|(which, said)| Choice::Answer { which, said });
    let phase = select(vec![Phase::Action, Phase::Compensation, Phase::Query]);
    let forged = select(vec![
        Forged::Nothing,
        Forged::Nothing,
        Forged::Nothing,
        Forged::Participant,
        Forged::Body,
        Forged::Step,
    ]);
    let garbage = (0_usize..8, phase, 0_u32..4, said(), forged).prop_map(
        |(step, phase, attempt, said, forged)| Choice::Garbage {
            step,
            phase,
            attempt,
            said,
            forged,
        },
    );
    let time = option::weighted(0.2, -5_000_i64..30_000).prop_map(|millis| Choice::Time { millis });
    let order = (0_usize..16, 0_usize..8, said()).prop_map(|(verb, step, said)| Choice::Order {
        verb,
        step,
        said,
    });
    let choice = prop_oneof![8 => answer, 3 => garbage, 4 => time, 2 => order];
    (choice, proptest::num::u32::ANY)
}

fn said() -> impl Strategy<Value = Said> {
    let outcome = select(vec![
        Outcome::Completed,
        Outcome::Completed,
        Outcome::Completed,
        Outcome::Completed,
        Outcome::Rejected,
        Outcome::Failed,
        Outcome::Unknown,
    ]);
    let output = prop_oneof![3 => Just(OUTPUTS[0]), 1 => select(&OUTPUTS[..])];
    let code = option::of(select(vec!["busy", "effect_missing", "compensated_already"]));
    (outcome, option::weighted(0.9, output), code).prop_map(|(outcome, output, code)| Said {
        outcome,
        output,
        code,
    })
}

impl Said {
    fn output(&self) -> Option<Json> {
        let text = match self.output? {
            "LARGE" => format!("\"{}\"", "x".repeat(saga_protocol::limits::OUTPUT_BYTES_MAX)),
            text => text.to_owned(),
        };
        Some(RawValue::from_string(text).unwrap())
    }

    fn body(&self) -> ReplyBody {
        let error = self.code.map(|code| Fault::new(code, "m"));
        ReplyBody { outcome: self.outcome, output: self.output(), error }
    }
}

impl Choice {
    /// Makes it happen, where it can.
    pub(crate) fn play(&self, history: &mut History<'_>, draw: u32) {
        match self {
            Self::Answer { which, said } => {
                let commands = history.saga.commands(history.definition);
                if commands.is_empty() {
                    return;
                }
                let command = &commands[which % commands.len()].command;
                let event = Event::Reply(Answer {
                    step: command.step.clone(),
                    phase: command.phase,
                    attempt: command.attempt,
                    command_hash: Some(BodyHash::of(&command.body)),
                    participant: Some(command.participant.clone()),
                    body: said.body(),
                });
                let _ = history.happen(&event, draw);
            }
            Self::Garbage { step, phase, attempt, said, forged } => {
                let step = name_of(history, *step);
                let other = ParticipantName::new("other").unwrap();
                let event = Event::Reply(Answer {
                    step: match forged {
                        Forged::Step => StepName::new("other").unwrap(),
                        Forged::Nothing | Forged::Participant | Forged::Body => step,
                    },
                    phase: *phase,
                    attempt: *attempt,
                    command_hash: matches!(forged, Forged::Body).then(|| BodyHash::of(b"other")),
                    participant: matches!(forged, Forged::Participant).then_some(other),
                    body: said.body(),
                });
                let _ = history.happen(&event, draw);
            }
            Self::Time { millis: None } => {
                history.now = history.saga.next_due().unwrap_or(history.now).max(history.now);
                let _ = history.happen(&Event::Due, draw);
            }
            Self::Time { millis: Some(millis) } => {
                let micros = history.now.as_micros() + millis * 1_000;
                history.now = saga_protocol::Timestamp::from_micros(micros);
                let _ = history.happen(&Event::Due, draw);
            }
            Self::Order { verb, step, said } => {
                let verb = verb_of(*verb, name_of(history, *step), said);
                let _ = history.happen(&order(verb), draw);
            }
        }
    }
}

/// The verb of a number; those that end everything are rare.
fn verb_of(number: usize, step: StepName, said: &Said) -> Verb {
    let resolution = match said.outcome {
        Outcome::Rejected => Resolution::Rejected,
        Outcome::Completed | Outcome::Failed | Outcome::Unknown => {
            Resolution::Completed { output: said.output() }
        }
    };
    match number {
        0..3 => Verb::Retry { step: None },
        3..5 => Verb::Retry { step: Some(step) },
        5..7 => Verb::Skip { step },
        7..10 => Verb::Resolve { step, resolution },
        10..12 => Verb::Pause,
        12..14 => Verb::Resume,
        14 => Verb::Cancel,
        _ => Verb::Abandon,
    }
}

/// An operator's order as an event.
pub(crate) fn order(verb: Verb) -> Event {
    Event::Operator(Order { verb, actor: "ops".to_owned(), reason: "a \"reason\"".to_owned() })
}

fn name_of(history: &History<'_>, step: usize) -> StepName {
    let steps = &history.definition.steps;
    steps[step % steps.len()].name.clone()
}
