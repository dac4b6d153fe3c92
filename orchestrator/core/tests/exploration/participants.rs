//! Participants that keep their word, as far as a saga can tell: what is sent to them, what they do
//! by their barrier, and what they answer. A command that was sent may arrive at any time, again
//! and again; its answer may arrive at once, or be lost and given again by another copy.

use saga_protocol::{BodyHash, Command, Fault, Knowledge, Outcome, Phase, ReplyBody, Undo};

use saga_core::{
    Definition,
    definition::Kind,
    saga::{Order, Verb},
};

use crate::plans;

/// All participants, and what is on its way to them; besides, what operators took upon themselves.
#[derive(Clone, Debug, Hash)]
pub(crate) struct World {
    pub(crate) parties: Vec<Party>,
    /// How often an operator had attempts begin anew.
    pub(crate) retries: u32,
    /// Whether an operator ended the saga.
    pub(crate) is_abandoned: bool,
}

/// The participant of one step.
#[derive(Clone, Debug, Default, Hash, PartialEq, Eq)]
pub(crate) struct Party {
    record: Option<Record>,
    action: Sent,
    compensation: Sent,
    is_asked: bool,
    /// Whether it is told, with its compensation, that its action was completed.
    is_told_completed: bool,
    /// Whether an operator settled the step; what became of it is then as he says.
    pub(crate) is_settled_by_hand: bool,
    /// Whether an operator let the effect of its action stand.
    pub(crate) is_kept: bool,
}

/// What the barrier remembers.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
enum Record {
    /// The action took effect.
    Effect,
    /// The action was refused for good.
    Refused,
    /// The compensation came first, and the action will never take effect.
    Tombstone,
    /// The effect was undone.
    Undone,
}

/// All attempts of one command.
#[derive(Clone, Copy, Debug, Default, Hash, PartialEq, Eq)]
struct Sent {
    attempts: u32,
    body: Option<BodyHash>,
}

/// What may come of one copy of a command: what its participant becomes, and what it answers, if
/// anybody hears it.
pub(crate) type Arrival = (Party, Option<ReplyBody>);

impl World {
    pub(crate) fn new(definition: &Definition) -> Self {
        let parties = vec![Party::default(); definition.steps.len()];
        Self { parties, retries: 0, is_abandoned: false }
    }

    /// Takes what was sent.
    pub(crate) fn take(
        &mut self,
        definition: &Definition,
        command: &Command,
    ) -> Result<(), String> {
        let step = definition.step(&command.step).ok_or("a command of an unknown step")?;
        self.parties[step].take(command)
    }

    /// Remembers what an operator did.
    pub(crate) fn obey(&mut self, definition: &Definition, order: &Order) {
        let named = |name| definition.step(name).expect("an unknown step is refused");
        match &order.verb {
            Verb::Skip { step } => {
                let step = named(step);
                let is_kept = matches!(definition.steps[step].kind, Kind::Compensatable(_));
                let party = &mut self.parties[step];
                (party.is_settled_by_hand, party.is_kept) = (true, is_kept);
            }
            Verb::Resolve { step, .. } => self.parties[named(step)].is_settled_by_hand = true,
            Verb::Abandon => self.is_abandoned = true,
            Verb::Retry { .. } => self.retries += 1,
            Verb::Cancel | Verb::Pause | Verb::Resume => {}
        }
    }
}

impl Party {
    /// All attempts of a command carry the same bytes, and none is left out.
    fn take(&mut self, command: &Command) -> Result<(), String> {
        let Command { step, phase, attempt, body, .. } = command;
        let hash = BodyHash::of(body);
        let sent = match phase {
            Phase::Action => &mut self.action,
            Phase::Compensation => {
                let undo: Undo = serde_json::from_slice(body).map_err(|error| error.to_string())?;
                self.is_told_completed = undo.action == Knowledge::Completed;
                &mut self.compensation
            }
            Phase::Query => {
                self.is_asked = true;
                let is_known = self.action.body == Some(hash) && *attempt <= self.action.attempts;
                let told = || format!("`{step}` is asked for another action than it was sent");
                return is_known.then_some(()).ok_or_else(told);
            }
        };
        if sent.body.is_some_and(|body| body != hash) {
            return Err(format!("the attempts of the {phase} of `{step}` have different bytes"));
        }
        *sent = Sent { attempts: sent.attempts + 1, body: Some(hash) };
        if sent.attempts != *attempt {
            return Err(format!("{phase} {attempt} of `{step}` is attempt {}", sent.attempts));
        }
        Ok(())
    }

    /// How often a command was sent, and its body's hash.
    pub(crate) fn sent(&self, phase: Phase) -> (u32, Option<BodyHash>) {
        let sent = match phase {
            Phase::Action => self.action,
            Phase::Compensation => self.compensation,
            Phase::Query if self.is_asked => self.action,
            Phase::Query => Sent::default(),
        };
        (sent.attempts, sent.body)
    }

    /// Whether there is an effect.
    pub(crate) fn has_effect(&self) -> bool {
        self.record == Some(Record::Effect)
    }

    /// Whether there is no effect, and no command that may still make one.
    pub(crate) fn is_void(&self) -> bool {
        match self.record {
            None => self.action.attempts == 0,
            Some(Record::Effect) => false,
            Some(Record::Refused | Record::Tombstone | Record::Undone) => true,
        }
    }

    /// Whether a copy of the compensation undid something since it was like `before`.
    pub(crate) fn undid(&self, before: &Self) -> bool {
        before.has_effect() && self.record == Some(Record::Undone)
    }

    /// Everything that may come of one copy of a command that was sent.
    pub(crate) fn arrivals(&self, kind: &Kind, phase: Phase) -> Result<Vec<Arrival>, String> {
        let answer = |outcome, code: &str| {
            let fault = Fault::new(code, "");
            (self.clone(), Some(ReplyBody::not_completed(outcome, fault)))
        };
        // Whatever is remembered, there may be no way to ask for it.
        let mut all = vec![answer(Outcome::Failed, "down"), answer(Outcome::Unknown, "lost")];
        match phase {
            Phase::Action => {
                if let Kind::Retriable = kind {
                    all.push(answer(Outcome::Rejected, "a_human_now"));
                }
                all.extend(self.act(kind));
            }
            Phase::Compensation => {
                all.push(answer(Outcome::Rejected, "a_human_now"));
                all.extend(self.undo()?);
            }
            Phase::Query => all.extend(self.record.map(|record| (self.clone(), Some(say(record))))),
        }
        Ok(all)
    }

    fn act(&self, kind: &Kind) -> Vec<Arrival> {
        if let Some(record) = self.record {
            return vec![(self.clone(), Some(say(record)))];
        }
        let mut all = self.heard_or_not(Record::Effect, &say(Record::Effect));
        if !matches!(kind, Kind::Retriable) {
            all.extend(self.heard_or_not(Record::Refused, &say(Record::Refused)));
        }
        all
    }

    fn undo(&self) -> Result<Vec<Arrival>, String> {
        let nothing = ReplyBody::completed(Some(plans::json(r#"{"nothing_to_undo":true}"#)));
        match self.record {
            Some(Record::Undone) => Ok(vec![(self.clone(), Some(ReplyBody::completed(None)))]),
            Some(Record::Effect) => {
                Ok(self.heard_or_not(Record::Undone, &ReplyBody::completed(None)))
            }
            None | Some(Record::Refused | Record::Tombstone) if self.is_told_completed => {
                Err("it is told to undo what was completed and never was".to_owned())
            }
            Some(Record::Refused | Record::Tombstone) => Ok(vec![(self.clone(), Some(nothing))]),
            None => Ok(self.heard_or_not(Record::Tombstone, &nothing)),
        }
    }

    /// Something is done, and its answer arrives or is lost.
    fn heard_or_not(&self, record: Record, body: &ReplyBody) -> Vec<Arrival> {
        let after = Self { record: Some(record), ..self.clone() };
        vec![(after.clone(), Some(body.clone())), (after, None)]
    }
}

/// What an action, or a question for it, is answered by what is remembered.
fn say(record: Record) -> ReplyBody {
    match record {
        Record::Effect | Record::Undone => ReplyBody::completed(Some(plans::output())),
        Record::Refused => refusal("refused"),
        Record::Tombstone => refusal("compensated_already"),
    }
}

fn refusal(code: &str) -> ReplyBody {
    ReplyBody::not_completed(Outcome::Rejected, Fault::new(code, ""))
}
