//! What a handler is told of its command, besides the input.

use saga_protocol::{Command, DefinitionName, Json, Knowledge, Phase, SagaId, StepName, Timestamp};
use serde::Deserialize;

/// The command that a handler serves.
#[derive(Clone, Debug)]
pub struct Context {
    /// The saga.
    pub saga_id: SagaId,
    /// The saga's definition.
    pub definition: DefinitionName,
    /// The step. A saga may call the same action in two steps: records are kept by saga and step.
    pub step: StepName,
    /// Forward or backward.
    pub phase: Phase,
    /// From 1. For logs only: what an attempt does must not depend on it.
    pub attempt: u32,
    /// When the saga began.
    pub started: Timestamp,
}

/// The input of a compensation. `I` is the action's input (or the definition's
/// `compensation_input`), `O` its output.
#[derive(Clone, Debug, Deserialize)]
pub struct Undo<I = Json, O = Json> {
    /// What the orchestrator knows of the action. The barrier has already judged by it.
    pub action: Knowledge,
    /// What the action was given.
    pub input: I,
    /// What the action answered, where the orchestrator has seen it. What was recorded with the
    /// effect is surer.
    pub output: Option<O>,
}

impl Context {
    pub(crate) fn of(command: &Command) -> Self {
        Self {
            saga_id: command.saga_id,
            definition: command.definition.clone(),
            step: command.step.clone(),
            phase: command.phase,
            attempt: command.attempt,
            started: command.started,
        }
    }

    /// The identity of the command, the same for all its attempts: an idempotency key for effects
    /// elsewhere.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        self.key(self.phase)
    }

    /// The idempotency key that the step's action had. By it a compensation finds what it has to
    /// undo, where nobody has recorded what became of the action: it must then also see to it that
    /// a call which is still under way takes no effect. Where the other side cannot cancel a key,
    /// do the action once more with this key, which settles it, and undo that.
    #[must_use]
    pub fn action_key(&self) -> String {
        self.key(Phase::Action)
    }

    fn key(&self, phase: Phase) -> String {
        format!("{}/{}/{phase}", self.saga_id, self.step)
    }
}
