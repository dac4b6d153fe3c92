//! What the orchestrator asks of a participant.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    BodyHash, DefinitionName, Json, Malformed, Message, ParticipantName, Phase, SagaId, StepKind,
    StepName, Timestamp, TraceContext, headers, topology,
};

/// Do, undo, or tell what became of a step. Its identity is (saga, step, phase): all attempts share
/// it and its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The saga it belongs to.
    pub saga_id: SagaId,
    /// The saga's definition.
    pub definition: DefinitionName,
    /// The step.
    pub step: StepName,
    /// Forward, backward, or a question.
    pub phase: Phase,
    /// What the step is to its saga; decides whether a refusal is final.
    pub kind: StepKind,
    /// Who is asked.
    pub participant: ParticipantName,
    /// What is asked, by the definition's word, such as `charge`.
    pub action: String,
    /// From 1, counted per step and phase.
    pub attempt: u32,
    /// When the saga began: a participant compares it with its purge horizon.
    pub started: Timestamp,
    /// The work must not start later than this.
    pub deadline: Timestamp,
    /// The step's input; for a compensation an [`Undo`].
    pub body: Bytes,
    /// The trace it is part of.
    pub trace: Option<TraceContext>,
}

/// The body of a compensation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Undo {
    /// What the orchestrator knows of the action.
    pub action: Knowledge,
    /// What the action was given, or the definition's `compensation_input`.
    pub input: Json,
    /// What the action answered; null where that is unknown.
    pub output: Option<Json>,
}

/// What the orchestrator knows of the action that a compensation undoes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Knowledge {
    /// It was answered `completed`: the effect must be there.
    Completed,
    /// It may have taken effect or not, or may still arrive.
    Unknown,
}

impl Command {
    /// The message that carries this command: its id, unique per publish, and when it is published.
    #[must_use]
    pub fn to_message(&self, id: Uuid, now: Timestamp) -> Message {
        let mut message = Message::with_id(id, self.body.clone());
        message.correlation_id = Some(self.saga_id.to_string());
        message.kind = Some(format!("{}.{}", self.participant, self.action));
        message.reply_to = Some(topology::REPLIES.to_owned());
        message.timestamp = Some(now);
        message.set(headers::DEFINITION, &self.definition);
        message.set(headers::STEP, &self.step);
        message.set(headers::PHASE, self.phase);
        message.set(headers::KIND, self.kind);
        message.set_number(headers::ATTEMPT, i64::from(self.attempt));
        message.set(headers::STARTED, self.started);
        message.set(headers::BODY_SHA256, BodyHash::of(&self.body));
        message.set(headers::DEADLINE, self.deadline);
        if let Some(trace) = &self.trace {
            message.set(headers::TRACEPARENT, trace);
        }
        message
    }

    /// Reads a command from a message.
    ///
    /// # Errors
    /// [`Malformed`] naming the property or header, also when the body does not have the hash that
    /// its header says.
    pub fn from_message(message: &Message) -> Result<Self, Malformed> {
        message.check_size()?;
        let hash: BodyHash = message.parse_header(headers::BODY_SHA256)?;
        if hash != BodyHash::of(&message.body) {
            let reason = "the body does not have this hash".to_owned();
            return Err(Malformed::Invalid { field: headers::BODY_SHA256, reason });
        }
        let (participant, action) = kind_parts(message)?;
        Ok(Self {
            saga_id: message.saga_id()?,
            definition: message.parse_header(headers::DEFINITION)?,
            step: message.parse_header(headers::STEP)?,
            phase: message.parse_header(headers::PHASE)?,
            kind: message.parse_header(headers::KIND)?,
            participant,
            action,
            attempt: message.parse_header(headers::ATTEMPT)?,
            started: message.parse_header(headers::STARTED)?,
            deadline: message.parse_header(headers::DEADLINE)?,
            body: message.body.clone(),
            trace: message.parse_header(headers::TRACEPARENT).ok(),
        })
    }
}

/// Splits the `type` property, `{participant}.{action}`.
fn kind_parts(message: &Message) -> Result<(ParticipantName, String), Malformed> {
    let field = "type";
    let kind = message.kind.as_deref().ok_or(Malformed::Missing(field))?;
    let invalid = |reason: String| Malformed::Invalid { field, reason };
    let (participant, action) =
        kind.split_once('.').ok_or_else(|| invalid("it takes `participant.action`".to_owned()))?;
    let participant =
        ParticipantName::new(participant).map_err(|error| invalid(error.to_string()))?;
    Ok((participant, action.to_owned()))
}
