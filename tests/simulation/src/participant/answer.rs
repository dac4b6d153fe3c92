//! What a participant says to a command.

use bytes::Bytes;
use saga_participant::barrier::{Question, Refused, State, Verdict};
use saga_protocol::{
    BodyHash, Command, Fault, Json, Knowledge, Outcome, Phase, ReplyBody, StepKind,
};
use serde_json::value::RawValue;

use crate::fault;
use crate::world::World;

/// What the work of a command comes to, if there is any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Completes,
    /// It completes with an output that is not what it must be.
    CompletesBadly,
    /// It completes, and the participant says that it does not know.
    CompletesUnknown,
    Rejects,
    Fails,
    Unknown,
}

impl Fate {
    pub(super) fn draw(world: &World, command: &Command) -> Self {
        let strikes = |fault| world.strikes(fault);
        match command.phase {
            Phase::Compensation if strikes(fault::Fault::RefusesUndo) => Self::Rejects,
            Phase::Compensation if strikes(fault::Fault::FailsUndo) => Self::Fails,
            Phase::Compensation | Phase::Query => Self::Completes,
            Phase::Action if strikes(fault::Fault::Rejects) => Self::Rejects,
            Phase::Action if strikes(fault::Fault::Fails) => Self::Fails,
            Phase::Action if strikes(fault::Fault::Unknown) => {
                if world.dice.happens(0.5) {
                    Self::Unknown
                } else {
                    Self::CompletesUnknown
                }
            }
            Phase::Action if strikes(fault::Fault::BadOutput) => Self::CompletesBadly,
            Phase::Action => Self::Completes,
        }
    }

    /// What is said, and what is remembered where it is for good.
    pub(super) fn reply(self, command: &Command) -> (ReplyBody, Option<State>) {
        let fault = |code: &str| Fault::new(code, "the simulation says so");
        match self {
            Self::Completes | Self::CompletesUnknown => {
                (ReplyBody::completed(Some(output(command))), Some(State::Completed))
            }
            Self::CompletesBadly => {
                (ReplyBody::completed(Some(json("{\"id\":7}"))), Some(State::Completed))
            }
            Self::Rejects => {
                let is_final = command.phase == Phase::Action
                    && matches!(command.kind, StepKind::Compensatable | StepKind::Pivot);
                let state = is_final.then_some(State::Rejected);
                (ReplyBody::not_completed(Outcome::Rejected, fault("refused")), state)
            }
            Self::Fails => (ReplyBody::not_completed(Outcome::Failed, fault("failed")), None),
            Self::Unknown => (unknown(), None),
        }
    }
}

pub(super) fn unknown() -> ReplyBody {
    ReplyBody::not_completed(Outcome::Unknown, Fault::new("unknown", "the simulation says so"))
}

fn output(command: &Command) -> Json {
    match command.phase {
        Phase::Action | Phase::Query => json(&format!("{{\"id\":\"{}\"}}", command.step)),
        Phase::Compensation => json("null"),
    }
}

fn json(text: &str) -> Json {
    RawValue::from_string(text.to_owned()).expect("it is written here as JSON")
}

/// What a barrier is asked. `None` where the body is not what it must be.
pub(super) fn question(command: &Command) -> Option<Question> {
    #[derive(serde::Deserialize)]
    struct Known {
        action: Knowledge,
    }
    let body = BodyHash::of(&command.body);
    Some(match command.phase {
        Phase::Action => Question::Action { body },
        Phase::Compensation => {
            let Known { action } = serde_json::from_slice(&command.body).ok()?;
            Question::Compensation { body, action }
        }
        Phase::Query => Question::Query,
    })
}

/// What is said without any work; `None` where there is work, or nothing to say.
pub(super) fn without_work(verdict: &Verdict) -> Option<Bytes> {
    let not = |outcome, code: &str| ReplyBody::not_completed(outcome, Fault::new(code, ""));
    let body = match verdict {
        Verdict::Work | Verdict::WorkAndBury | Verdict::InProgress => return None,
        Verdict::Repeat(reply) => return Some(reply.clone()),
        Verdict::LeaveTombstone | Verdict::NothingToUndo => {
            ReplyBody::completed(Some(json("{\"nothing_to_undo\":true}")))
        }
        Verdict::CompensatedAlready => not(Outcome::Rejected, "compensated_already"),
        Verdict::NoTrace => not(Outcome::Unknown, "not_found"),
        Verdict::Undecided => not(Outcome::Unknown, "undecided"),
        Verdict::Refuse(Refused::BodyMismatch) => not(Outcome::Failed, "body_mismatch"),
        Verdict::Refuse(Refused::EffectMissing) => not(Outcome::Failed, "effect_missing"),
        Verdict::Refuse(Refused::Expired) => not(Outcome::Failed, "expired"),
        Verdict::Refuse(Refused::InProgress) => not(Outcome::Failed, "in_progress"),
    };
    Some(body.to_bytes())
}
