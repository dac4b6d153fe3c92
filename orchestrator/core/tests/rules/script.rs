//! Plays a script and compares what came of each line.
//!
//! A line is `event => outcome`, or a note that begins with `--`. Events:
//! - `start`; `due`; `a completed {"id":1}`, `a rejected no_stock`, `a#1 failed busy`; `undo a …`
//!   and `ask a …` for compensation and query; without `#n` it answers the latest attempt. An
//!   answer may end in `by q`, another participant, or `to another body`; `big:9` is an output of
//!   nine bytes.
//! - the verbs: `retry`, `retry a`, `skip a`, `resolve a rejected`, `cancel`, …
//! - `set aside`, as when looks at the saga fail.
//! - `at 10s` before any of them moves the clock, which counts from the start.
//! - questions: `steps?` (`*`: settled by an operator), `cause?`, `errors?`, `output?`, `overdue?`,
//!   `next?` (what is due), `timers?`, `look?`, `body a?` of an unanswered command, `output a?`.
//!
//! An outcome is the status, what was sent and what was noted, or `no: reason`. The first step's
//! waits are half of what jitter allows. What must hold of every transition is checked on the way:
//! the version, the stored form, the frozen bytes; and at the end that the journal replays.

use std::{collections::BTreeMap, fmt::Write, time::Duration};

use saga_core::{
    Birth, Definition, Saga, advance, replay,
    saga::{Answer, At, Effect, Event, Order, Resolution, Transition, Verb},
};
use saga_protocol::{
    BodyHash, Fault, Json, Outcome, ParticipantName, Phase, ReplyBody, SagaId, StepName, Timestamp,
};
use serde_json::value::RawValue;

use crate::{reload::reload, tell};

/// When every saga begins.
pub(crate) const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);
/// Every wait of the first step is half as long as it may be.
const DRAW: u32 = 1 << 31;

/// Plays `script` on a saga of the definition `saga: test` with these fields.
#[track_caller]
pub(crate) fn play(fields: &str, script: &str) {
    play_with(r#"{"yes":true,"no":false,"n":1}"#, fields, script);
}

/// Plays with another input.
#[track_caller]
pub(crate) fn play_with(input: &str, fields: &str, script: &str) {
    let definition = Definition::parse("test.yaml", &format!("saga: test\n{fields}")).unwrap();
    let (mut expected, mut actual) = (String::new(), String::new());
    let mut play = Play::start(&definition, json(input));
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let Some((event, outcome)) = line.split_once("=>") else {
            assert!(line.starts_with("--"), "neither an event nor a note: {line}");
            writeln!(expected, "{line}").unwrap();
            writeln!(actual, "{line}").unwrap();
            continue;
        };
        let (event, outcome) = (event.trim(), outcome.trim());
        writeln!(expected, "{event} => {outcome}").unwrap();
        writeln!(actual, "{event} => {}", play.line(event)).unwrap();
    }
    play.check_replay();
    assert!(actual == expected, "what was to happen:\n{expected}\nwhat happened:\n{actual}");
}

fn json(text: &str) -> Json {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// A saga on its way.
pub(crate) struct Play<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) saga: Saga,
    pub(crate) now: Timestamp,
    input: Json,
    first: Transition,
    journal: Vec<Json>,
    /// The bytes of each command, which never change.
    frozen: BTreeMap<(StepName, Phase), Vec<u8>>,
}

impl<'a> Play<'a> {
    fn start(definition: &'a Definition, input: Json) -> Self {
        let now = START;
        let first = Saga::start(definition, birth(&input), At { now, draw: DRAW });
        let (saga, journal) = (first.saga.clone(), vec![first.entry.clone()]);
        Self { definition, saga, now, input, first, journal, frozen: BTreeMap::new() }
    }

    /// What comes of a line.
    fn line(&mut self, line: &str) -> String {
        let line = match line.strip_prefix("at ") {
            Some(rest) => {
                let (seconds, line) = rest.split_once("s ").unwrap();
                self.now = START.after(Duration::from_secs_f64(seconds.parse().unwrap()));
                line
            }
            None => line,
        };
        match line {
            "start" => self.take(self.first.clone()),
            "set aside" => {
                self.saga.set_aside = true;
                self.saga.status().to_string()
            }
            question if question.ends_with('?') => self.tell(question.trim_end_matches('?')),
            event => {
                let event = self.event(event);
                match advance(self.definition, &self.saga, &event, self.at()) {
                    Ok(transition) => {
                        assert_eq!(transition.saga.version, self.saga.version + 1);
                        self.journal.push(transition.entry.clone());
                        self.take(transition)
                    }
                    Err(rejection) => tell::rejection(&rejection),
                }
            }
        }
    }

    fn at(&self) -> At {
        At { now: self.now, draw: DRAW }
    }

    /// Takes a transition, through the store's form, and tells what it led to.
    fn take(&mut self, transition: Transition) -> String {
        let Transition { saga, effects, notes, .. } = transition;
        let mut told = vec![saga.status().to_string()];
        if saga.paused_at.is_some() {
            told.push("paused".to_owned());
        }
        for Effect::Send(command) in &effects {
            let body = command.body.to_vec();
            let identity = (command.step.clone(), command.phase);
            let frozen = self.frozen.entry(identity).or_insert_with(|| body.clone());
            assert_eq!(*frozen, body, "another body of {} {}", command.phase, command.step);
            told.push(tell::command(command));
        }
        told.extend(notes.iter().filter_map(tell::note));
        self.saga = reload(self.definition, &saga).unwrap();
        if saga.paused_at.is_none() {
            let timers = self.saga.timers(self.definition);
            assert_eq!(timers.first().map(|timer| timer.at), self.saga.next_due());
        }
        told.join(", ")
    }

    fn check_replay(&self) {
        let replayed = replay(self.definition, birth(&self.input), &self.journal).unwrap();
        let [state, again] =
            [&self.saga, &replayed].map(|saga| saga.state_json(self.definition).get().to_owned());
        assert_eq!(state, again);
    }
}

fn birth(input: &Json) -> Birth {
    let id = SagaId(uuid::Uuid::from_u128(7));
    Birth { id, key: Some("k-1".to_owned()), input: input.clone() }
}

impl Play<'_> {
    fn event(&self, text: &str) -> Event {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let verb = match word {
            "due" => return Event::Due,
            "undo" => return Event::Reply(self.reply(Phase::Compensation, rest)),
            "ask" => return Event::Reply(self.reply(Phase::Query, rest)),
            "cancel" => Verb::Cancel,
            "abandon" => Verb::Abandon,
            "pause" => Verb::Pause,
            "resume" => Verb::Resume,
            "retry" if rest.is_empty() => Verb::Retry { step: None },
            "retry" => Verb::Retry { step: Some(name(rest)) },
            "skip" => Verb::Skip { step: name(rest) },
            "resolve" => resolve(rest),
            _ => return Event::Reply(self.reply(Phase::Action, text)),
        };
        Event::Operator(Order { verb, actor: "ops".to_owned(), reason: "a reason".to_owned() })
    }

    fn reply(&self, phase: Phase, text: &str) -> Answer {
        let (text, other_body) = match text.strip_suffix(" to another body") {
            Some(text) => (text, Some(BodyHash::of(b"another"))),
            None => (text, None),
        };
        let (text, by) = text.split_once(" by ").unwrap_or((text, ""));
        let (who, said) = text.split_once(' ').unwrap();
        let (who, attempt) = who.split_once('#').unwrap_or((who, ""));
        let step = name(who);
        let sent = self.frozen.get(&(step.clone(), phase)).map(|body| BodyHash::of(body));
        Answer {
            attempt: attempt.parse().unwrap_or_else(|_| self.attempts(&step, phase)),
            command_hash: other_body.or(sent),
            participant: ParticipantName::new(by).ok(),
            body: said_body(said),
            step,
            phase,
        }
    }

    /// The latest attempt of a command.
    fn attempts(&self, step: &StepName, phase: Phase) -> u32 {
        let steps = self.saga.steps(self.definition);
        let report = steps.iter().find(|report| report.name == step);
        report.map_or(1, |report| match phase {
            Phase::Action | Phase::Query => report.attempts,
            Phase::Compensation => report.compensation.as_ref().map_or(1, |undo| undo.attempts),
        })
    }
}

fn said_body(said: &str) -> ReplyBody {
    let (outcome, more) = said.split_once(' ').unwrap_or((said, ""));
    let outcome: Outcome = outcome.parse().unwrap();
    match outcome {
        Outcome::Completed => ReplyBody::completed(output(more)),
        Outcome::Rejected | Outcome::Failed | Outcome::Unknown => {
            ReplyBody::not_completed(outcome, Fault::new(more, ""))
        }
    }
}

fn output(text: &str) -> Option<Json> {
    match text.strip_prefix("big:") {
        Some(bytes) => {
            let bytes: usize = bytes.parse().unwrap();
            Some(json(&format!("{:?}", "x".repeat(bytes - 2))))
        }
        None => Some(text).filter(|text| !text.is_empty()).map(json),
    }
}

fn resolve(text: &str) -> Verb {
    let (step, said) = text.split_once(' ').unwrap();
    let resolution = match said.split_once(' ').unwrap_or((said, "")) {
        ("rejected", _) => Resolution::Rejected,
        (_, more) => Resolution::Completed { output: output(more) },
    };
    Verb::Resolve { step: name(step), resolution }
}

fn name(text: &str) -> StepName {
    StepName::new(text).unwrap()
}
