//! The participant of one step, as far as a saga can tell: what its barrier remembers, and what it
//! answers by that. The barrier itself, which a real participant stands on, is in the SDK; this is
//! only what of it decides how a saga ends.

use saga_protocol::{Fault, Json, Knowledge, Outcome, ReplyBody};
use serde_json::value::RawValue;

use super::mishap::What;

/// The code of whatever is not answered `completed`, where nothing more is to be said.
const REFUSED: &str = "refused";

/// What the barrier remembers of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// The action took effect.
    Effect,
    /// The action was refused for good.
    Refused,
    /// The compensation came first, and the action never takes effect.
    Tombstone,
    /// The effect was undone.
    Undone,
}

/// A participant, for one step.
#[derive(Clone, Debug, Default)]
pub(super) struct Party {
    pub(super) record: Option<Record>,
}

impl Party {
    /// Whether there is an effect.
    pub(super) fn has_effect(&self) -> bool {
        self.record == Some(Record::Effect)
    }

    /// Does what it is told, unless it has; its answer. A refusal is remembered where it is final.
    pub(super) fn act(
        &mut self,
        what: Option<What>,
        output: Option<&Json>,
        is_final: bool,
    ) -> ReplyBody {
        if self.record == Some(Record::Tombstone) {
            return not(Outcome::Rejected, "compensated_already");
        }
        match (what, self.record) {
            (Some(What::Failed), _) => return not(Outcome::Failed, "failed"),
            (_, Some(Record::Refused)) => return not(Outcome::Rejected, REFUSED),
            (Some(What::Refused), None) => {
                self.record = is_final.then_some(Record::Refused);
                return not(Outcome::Rejected, REFUSED);
            }
            (_, None) => self.record = Some(Record::Effect),
            (_, Some(_)) => {}
        }
        match what {
            Some(What::Unknown) => not(Outcome::Unknown, "unknown"),
            _ => ReplyBody::completed(output.cloned()),
        }
    }

    /// Undoes what there is to undo, unless it has; its answer.
    pub(super) fn undo(&mut self, what: Option<What>, knowledge: Knowledge) -> ReplyBody {
        match what {
            Some(What::Refused) => return not(Outcome::Rejected, REFUSED),
            Some(What::Failed) => return not(Outcome::Failed, "failed"),
            _ => {}
        }
        let done = match (self.record, knowledge) {
            (Some(Record::Effect | Record::Undone), _) => {
                self.record = Some(Record::Undone);
                ReplyBody::completed(None)
            }
            (None | Some(Record::Refused | Record::Tombstone), Knowledge::Completed) => {
                return not(Outcome::Failed, "effect_missing");
            }
            (record, Knowledge::Unknown) => {
                self.record = record.or(Some(Record::Tombstone));
                ReplyBody::completed(Some(nothing_to_undo()))
            }
        };
        match what {
            Some(What::Unknown) => not(Outcome::Unknown, "unknown"),
            _ => done,
        }
    }

    /// What became of the action.
    pub(super) fn tell(&self, output: Option<&Json>) -> ReplyBody {
        match self.record {
            None => not(Outcome::Unknown, "no_trace"),
            Some(Record::Effect | Record::Undone) => ReplyBody::completed(output.cloned()),
            Some(Record::Refused) => not(Outcome::Rejected, REFUSED),
            Some(Record::Tombstone) => not(Outcome::Rejected, "compensated_already"),
        }
    }
}

fn not(outcome: Outcome, code: &str) -> ReplyBody {
    ReplyBody::not_completed(outcome, Fault::new(code, ""))
}

fn nothing_to_undo() -> Json {
    RawValue::from_string(r#"{"nothing_to_undo":true}"#.to_owned()).expect("this is JSON")
}
