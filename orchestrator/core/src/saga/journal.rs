//! The journal: each transition's event whole, and what it led to. Replaying the entries gives the
//! state byte for byte.

use saga_protocol::{
    BodyHash, Fault, Json, Outcome, ParticipantName, Phase, ReplyBody, StepName, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::{
    Answer, At, Birth, Cause, Event, Note, Order, Rejection, Resolution, Saga, Status, StepStatus,
    Verb, advance, wire::present, work::Work,
};
use crate::definition::Definition;

/// What a transition came from.
#[derive(Clone, Copy)]
pub(super) enum Happened<'a> {
    /// The saga was born.
    Start,
    /// Something happened to it.
    Event(&'a Event),
}

/// One transition, as it is written down.
#[derive(Serialize, Deserialize)]
struct Entry {
    version: i64,
    at: Timestamp,
    draw: u32,
    event: EventWire,
    status: Status,
    /// Why the saga turned back, where it did so in this transition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<Cause>,
    changes: Vec<ChangeWire>,
    sent: Vec<Sent>,
}

impl Entry {
    /// Whether the saga must have been set aside before: that is not journaled itself, and nothing
    /// else lets a retry be accepted that tries nothing again.
    fn tells_of_set_aside(&self) -> bool {
        let tries_nothing = self.changes.is_empty() && self.sent.is_empty();
        tries_nothing && self.event.verb.as_deref() == Some("retry")
    }
}

#[derive(Serialize, Deserialize)]
struct ChangeWire {
    step: StepName,
    from: StepStatus,
    to: StepStatus,
}

#[derive(Serialize, Deserialize)]
struct Sent {
    step: StepName,
    phase: Phase,
    attempt: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Start,
    Reply,
    Due,
    Operator,
}

/// Flat, because raw JSON cannot be read through tagged enums.
#[derive(Serialize, Deserialize)]
struct EventWire {
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verb: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<StepName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<Phase>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    participant: Option<ParticipantName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<Outcome>,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    output: Option<Json>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// The entry of a transition that is complete but for it.
pub(super) fn entry(work: &Work<'_>, happened: Happened<'_>) -> Json {
    let turned_back = work.notes.iter().find_map(|note| match note {
        Note::TurnedBack(cause) => Some(cause.clone()),
        Note::Stuck { .. }
        | Note::Overdue
        | Note::Late { .. }
        | Note::Contradiction { .. }
        | Note::Answered { .. }
        | Note::Ended(_) => None,
    });
    let changes = work.changes.iter().map(|change| ChangeWire {
        step: change.step.clone(),
        from: change.from,
        to: change.to,
    });
    let sent = work.sends.iter().map(|command| Sent {
        step: command.step.clone(),
        phase: command.phase,
        attempt: command.attempt,
    });
    let entry = Entry {
        version: work.saga.version,
        at: work.at.now,
        draw: work.at.draw,
        event: EventWire::write(happened),
        status: work.saga.status(),
        cause: turned_back,
        changes: changes.collect(),
        sent: sent.collect(),
    };
    serde_json::value::to_raw_value(&entry).expect("text keys and JSON values always serialize")
}

impl EventWire {
    const fn of(kind: Kind) -> Self {
        Self {
            kind,
            verb: None,
            step: None,
            phase: None,
            attempt: None,
            command_sha256: None,
            participant: None,
            outcome: None,
            output: None,
            error: None,
            actor: None,
            reason: None,
        }
    }

    fn write(happened: Happened<'_>) -> Self {
        match happened {
            Happened::Start => Self::of(Kind::Start),
            Happened::Event(Event::Due) => Self::of(Kind::Due),
            Happened::Event(Event::Reply(answer)) => Self {
                step: Some(answer.step.clone()),
                phase: Some(answer.phase),
                attempt: Some(answer.attempt),
                command_sha256: answer.command_hash.map(|hash| hash.to_string()),
                participant: answer.participant.clone(),
                outcome: Some(answer.body.outcome),
                output: answer.body.output.clone(),
                error: answer.body.error.clone(),
                ..Self::of(Kind::Reply)
            },
            Happened::Event(Event::Operator(order)) => Self::order(order),
        }
    }

    fn order(order: &Order) -> Self {
        let base = Self {
            verb: Some(order.verb.as_str().to_owned()),
            actor: Some(order.actor.clone()),
            reason: Some(order.reason.clone()),
            ..Self::of(Kind::Operator)
        };
        match &order.verb {
            Verb::Retry { step } => Self { step: step.clone(), ..base },
            Verb::Skip { step } => Self { step: Some(step.clone()), ..base },
            Verb::Resolve { step, resolution } => {
                let (outcome, output) = match resolution {
                    Resolution::Completed { output } => (Outcome::Completed, output.clone()),
                    Resolution::Rejected => (Outcome::Rejected, None),
                };
                Self { step: Some(step.clone()), outcome: Some(outcome), output, ..base }
            }
            Verb::Cancel | Verb::Abandon | Verb::Pause | Verb::Resume => base,
        }
    }

    /// The event; `None` for the start.
    fn read(self) -> Result<Option<Event>, Unreplayable> {
        Ok(match self.kind {
            Kind::Start => None,
            Kind::Due => Some(Event::Due),
            Kind::Reply => Some(Event::Reply(self.read_reply()?)),
            Kind::Operator => Some(Event::Operator(self.read_order()?)),
        })
    }

    fn read_reply(self) -> Result<Answer, Unreplayable> {
        let hash = self.command_sha256.map(|hash| hash.parse::<BodyHash>()).transpose();
        let outcome = self.outcome.ok_or_else(|| missing("outcome"))?;
        Ok(Answer {
            step: self.step.ok_or_else(|| missing("step"))?,
            phase: self.phase.ok_or_else(|| missing("phase"))?,
            attempt: self.attempt.ok_or_else(|| missing("attempt"))?,
            command_hash: hash.map_err(|error| Unreplayable::Entry(error.to_owned()))?,
            participant: self.participant,
            body: ReplyBody { outcome, output: self.output, error: self.error },
        })
    }

    fn read_order(self) -> Result<Order, Unreplayable> {
        let step = self.step;
        let named = |step: Option<StepName>| step.ok_or_else(|| missing("step"));
        let verb = match self.verb.as_deref() {
            Some("retry") => Verb::Retry { step },
            Some("skip") => Verb::Skip { step: named(step)? },
            Some("resolve") => {
                let resolution = match self.outcome {
                    Some(Outcome::Completed) => Resolution::Completed { output: self.output },
                    Some(Outcome::Rejected) => Resolution::Rejected,
                    Some(Outcome::Failed | Outcome::Unknown) | None => {
                        return Err(missing("outcome"));
                    }
                };
                Verb::Resolve { step: named(step)?, resolution }
            }
            Some("cancel") => Verb::Cancel,
            Some("abandon") => Verb::Abandon,
            Some("pause") => Verb::Pause,
            Some("resume") => Verb::Resume,
            _ => return Err(missing("verb")),
        };
        let actor = self.actor.ok_or_else(|| missing("actor"))?;
        Ok(Order { verb, actor, reason: self.reason.ok_or_else(|| missing("reason"))? })
    }
}

/// A journal that does not lead to a state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreplayable {
    /// There is no entry.
    #[error("the journal is empty")]
    Empty,
    /// An entry cannot be read.
    #[error("an entry cannot be read: {0}")]
    Entry(String),
    /// The versions do not follow each other.
    #[error("version {found} stands where {expected} should")]
    Gap {
        /// The version that should come next.
        expected: i64,
        /// The version that does.
        found: i64,
    },
    /// The event is not accepted now, although it once was.
    #[error("version {version} is not accepted: {rejection}")]
    Rejected {
        /// The version it once led to.
        version: i64,
        /// Why not.
        rejection: Rejection,
    },
    /// Replaying leads to another entry than the one that was written.
    #[error("version {0} leads to something else than was written")]
    Differs(i64),
}

fn missing(field: &str) -> Unreplayable {
    Unreplayable::Entry(format!("`{field}` is missing or has no meaning"))
}

/// The saga that a journal leads to, decided anew from its events. Each entry must come out as it
/// was written.
///
/// # Errors
/// [`Unreplayable`] naming the first version that does not fit.
pub fn replay<'a>(
    definition: &Definition,
    birth: Birth,
    entries: impl IntoIterator<Item = &'a Json>,
) -> Result<Saga, Unreplayable> {
    let mut birth = Some(birth);
    let mut saga: Option<Saga> = None;
    for written in entries {
        let entry: Entry = serde_json::from_str(written.get())
            .map_err(|error| Unreplayable::Entry(error.to_string()))?;
        let (version, at) = (entry.version, At { now: entry.at, draw: entry.draw });
        let expected = saga.as_ref().map_or(1, |saga| saga.version.saturating_add(1));
        if version != expected {
            return Err(Unreplayable::Gap { expected, found: version });
        }
        if let Some(saga) = &mut saga {
            saga.set_aside = entry.tells_of_set_aside();
        }
        let transition = match (&saga, entry.event.read()?, birth.take()) {
            (None, None, Some(birth)) => Saga::start(definition, birth, at),
            (Some(saga), Some(event), _) => advance(definition, saga, &event, at)
                .map_err(|rejection| Unreplayable::Rejected { version, rejection })?,
            _ => return Err(Unreplayable::Entry("only the first entry is a start".to_owned())),
        };
        if transition.entry.get() != written.get() {
            return Err(Unreplayable::Differs(version));
        }
        saga = Some(transition.saga);
    }
    saga.ok_or(Unreplayable::Empty)
}
