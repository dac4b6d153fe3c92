//! What is seen of a run.

use std::{collections::BTreeMap, sync::Arc};

use saga_core::Definition;
use saga_protocol::{BodyHash, Json, ParticipantName, Phase, SagaId, StepName};

/// What is seen of a run once it is over: rows of the orchestrator, records of the participants,
/// and what clients and the bus were told. What a kind of run cannot see stays empty.
#[derive(Debug)]
pub struct Seen {
    /// How far the sagas must have come.
    pub ended: Ended,
    /// By hash.
    pub definitions: BTreeMap<String, Arc<Definition>>,
    /// All sagas.
    pub sagas: Vec<SeenSaga>,
    /// Whose journal has no saga.
    pub orphans: Vec<SagaId>,
    /// What participants did, in the order in which they committed it.
    pub acts: Vec<Act>,
    /// What the barriers of all participants remember.
    pub barrier: Vec<BarrierRow>,
    /// What must be conserved.
    pub ledgers: Vec<Ledger>,
    /// The starts that were answered 2xx.
    pub accepted: Vec<Accepted>,
    /// The ends that clients were told of: which saga, and how.
    pub told: Vec<(SagaId, String)>,
    /// The commands that left for the broker.
    pub sent: Vec<SentCommand>,
    /// What orchestrators acknowledged although it cannot be processed.
    pub unprocessable: Vec<Unprocessable>,
    /// SHA-256 of the bodies of all dead letters.
    pub letters: Vec<[u8; 32]>,
}

/// How far every saga must have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// To its end.
    All,
    /// To its end, or to where an operator is needed and told why.
    OrStuck,
}

/// A saga with its journal.
#[derive(Clone, Debug)]
pub struct SeenSaga {
    /// Its id.
    pub id: SagaId,
    /// The version of its definition.
    pub definition_hash: String,
    /// Its business key.
    pub key: Option<String>,
    /// The column.
    pub status: String,
    /// The column.
    pub version: i64,
    /// Its input.
    pub input: Json,
    /// Its state.
    pub state: Json,
    /// Whether it is paused.
    pub is_paused: bool,
    /// Whether somebody will look at it.
    pub wakes: bool,
    /// Whether it has an end.
    pub is_finished: bool,
    /// Why the last look at it failed.
    pub trouble: Option<String>,
    /// Version and entry, in the order of versions.
    pub journal: Vec<(i64, Json)>,
}

/// Something that a participant did or undid, for good.
#[derive(Clone, Debug)]
pub struct Act {
    /// For which saga.
    pub saga_id: SagaId,
    /// For which step.
    pub step: StepName,
    /// Who.
    pub participant: ParticipantName,
    /// What.
    pub deed: Deed,
}

/// What a participant did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The effect of an action.
    Did,
    /// The undoing of it.
    Undid,
}

/// What a barrier remembers of one command.
#[derive(Clone, Debug)]
pub struct BarrierRow {
    /// Of which saga.
    pub saga_id: SagaId,
    /// Of which step.
    pub step: StepName,
    /// Whose barrier it is.
    pub participant: ParticipantName,
    /// Of which command.
    pub phase: Phase,
    /// Whether it says `completed`.
    pub is_completed: bool,
}

/// An account, or a shelf.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The promise about it.
    pub promise: &'static str,
    /// Whose it is.
    pub name: String,
    /// What was there before the run.
    pub before: i64,
    /// What is there now.
    pub now: i64,
    /// What the effects in force have taken.
    pub taken: i64,
}

/// A start that was answered 2xx.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The saga in the answer.
    pub id: SagaId,
    /// What makes two starts the same: the idempotency key within its scope, or the business key.
    pub key: Option<String>,
}

/// A command that left for the broker, the first time that it did with these bytes.
#[derive(Clone, Debug)]
pub struct SentCommand {
    /// Its saga.
    pub saga_id: SagaId,
    /// Its step.
    pub step: StepName,
    /// Its phase.
    pub phase: Phase,
    /// Its attempt.
    pub attempt: u32,
    /// Of the bytes that it carried.
    pub body: BodyHash,
    /// The version of the saga that was committed then; 0 where there was none.
    pub committed: i64,
}

/// A message that cannot be processed and was acknowledged.
#[derive(Clone, Debug)]
pub struct Unprocessable {
    /// SHA-256 of its body.
    pub sha256: [u8; 32],
    /// What it was.
    pub what: String,
}
