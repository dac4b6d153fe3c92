//! What a participant answers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    BodyHash, Command, Json, Malformed, Message, Outcome, ParticipantName, Phase, SagaId, StepName,
    Timestamp, TraceContext, headers, limits,
};

/// The answer to one command.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The saga of the command.
    pub saga_id: SagaId,
    /// The step of the command.
    pub step: StepName,
    /// The phase of the command.
    pub phase: Phase,
    /// The attempt of the command.
    pub attempt: u32,
    /// The hash of the command's body, where the participant echoes it.
    pub command_hash: Option<BodyHash>,
    /// Who answers, where it says so: the first half of `type`.
    pub participant: Option<ParticipantName>,
    /// What is said.
    pub body: ReplyBody,
    /// The trace of the command.
    pub trace: Option<TraceContext>,
}

/// The JSON of a reply. Unknown fields are ignored, so that participants may say more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReplyBody {
    /// What became of the command.
    pub outcome: Outcome,
    /// The result; only `completed` has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Json>,
    /// Why not; `completed` has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Fault>,
}

/// Why a command was not completed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// A stable word, such as `insufficient_funds`.
    pub code: String,
    /// For people; cut to [`limits::ERROR_BYTES_MAX`] where it is stored.
    #[serde(default)]
    pub message: String,
}

impl Fault {
    /// A fault with this code and message.
    #[must_use]
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// The same fault with code and message cut to the limit, at a character boundary.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        for text in [&mut self.code, &mut self.message] {
            let end = text.floor_char_boundary(limits::ERROR_BYTES_MAX);
            text.truncate(end);
        }
        self
    }
}

impl ReplyBody {
    /// Done, with this result.
    #[must_use]
    pub fn completed(output: Option<Json>) -> Self {
        Self { outcome: Outcome::Completed, output, error: None }
    }

    /// Not done, for this reason.
    #[must_use]
    pub fn not_completed(outcome: Outcome, error: Fault) -> Self {
        Self { outcome, output: None, error: Some(error) }
    }

    /// The bytes that are sent, and that a barrier stores to repeat them.
    ///
    /// # Panics
    /// Never: text keys and JSON values always serialize.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        serde_json::to_vec(self).expect("text keys and JSON values always serialize").into()
    }
}

impl Reply {
    /// The message that answers `command` with these body bytes; `now` is when it is published.
    #[must_use]
    pub fn message(command: &Command, body: Bytes, now: Timestamp) -> Message {
        let mut message = Message::new(body);
        message.correlation_id = Some(command.saga_id.to_string());
        message.kind = Some(format!("{}.{}", command.participant, command.action));
        message.timestamp = Some(now);
        message.set(headers::STEP, &command.step);
        message.set(headers::PHASE, command.phase);
        message.set_number(headers::ATTEMPT, i64::from(command.attempt));
        message.set(headers::BODY_SHA256, BodyHash::of(&command.body));
        if let Some(trace) = &command.trace {
            message.set(headers::TRACEPARENT, trace);
        }
        message
    }

    /// Reads a reply from a message.
    ///
    /// # Errors
    /// [`Malformed`] naming what is missing or wrong: the message is parked with it.
    pub fn from_message(message: &Message) -> Result<Self, Malformed> {
        message.check_size()?;
        let body: ReplyBody = serde_json::from_slice(&message.body)
            .map_err(|error| Malformed::Body(error.to_string()))?;
        let command_hash = match message.header(headers::BODY_SHA256) {
            None => None,
            Some(_) => Some(message.parse_header(headers::BODY_SHA256)?),
        };
        Ok(Self {
            saga_id: message.saga_id()?,
            step: message.parse_header(headers::STEP)?,
            phase: message.parse_header(headers::PHASE)?,
            attempt: message.parse_header(headers::ATTEMPT)?,
            command_hash,
            participant: participant(message)?,
            body: ReplyBody { error: body.error.map(Fault::bounded), ..body },
            trace: message.parse_header(headers::TRACEPARENT).ok(),
        })
    }
}

/// Who answers. A reply that does not say is taken as the step's own participant.
fn participant(message: &Message) -> Result<Option<ParticipantName>, Malformed> {
    let Some(kind) = message.kind.as_deref() else {
        return Ok(None);
    };
    let name = kind.split_once('.').map_or(kind, |(participant, _)| participant);
    ParticipantName::new(name)
        .map(Some)
        .map_err(|error| Malformed::Invalid { field: "type", reason: error.to_string() })
}
