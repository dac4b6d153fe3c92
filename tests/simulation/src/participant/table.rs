//! The database of one participant: barrier, effects and ledger, changed together.

use std::collections::BTreeMap;

use bytes::Bytes;
use saga_checker::{Act, BarrierRow, Deed, Ledger};
use saga_participant::barrier::{At, Found, Question, Record, State, Verdict};
use saga_protocol::{BodyHash, Command, ParticipantName, Phase, SagaId, StepName};

/// What is there before the first saga.
const STOCK: i64 = 1_000_000;
/// What one effect takes.
const PRICE: i64 = 7;

/// The database that all replicas of a participant share.
pub(crate) struct Table {
    participant: ParticipantName,
    /// The number is what a broken participant tells commands apart by; else it is 0.
    rows: BTreeMap<(SagaId, StepName, Phase, u32), Record>,
    /// See [`crate::Parts::identity`].
    identity: fn(&Command) -> u32,
    acts: Vec<Act>,
    left: i64,
}

impl Table {
    pub(crate) fn new(participant: ParticipantName, identity: fn(&Command) -> u32) -> Self {
        Self { participant, rows: BTreeMap::new(), identity, acts: Vec::new(), left: STOCK }
    }

    /// What the barrier decides of a command.
    pub(crate) fn judge(
        &self,
        command: &Command,
        question: Question,
        at: At,
        judge: fn(&Found, Question, At) -> Verdict,
    ) -> Verdict {
        let identity = (self.identity)(command);
        let row = |phase| {
            let key = |number| (command.saga_id, command.step.clone(), phase, number);
            if phase == command.phase {
                return self.rows.get(&key(identity)).cloned();
            }
            self.rows.range(key(0)..=key(u32::MAX)).next().map(|(_, record)| record.clone())
        };
        let compensation = (command.phase == Phase::Compensation).then(|| row(command.phase));
        let found = Found { action: row(Phase::Action), compensation: compensation.flatten() };
        judge(&found, question, at)
    }

    /// Does the work of a command.
    pub(crate) fn work(&mut self, command: &Command) {
        let deed = match command.phase {
            Phase::Action => Deed::Did,
            Phase::Compensation => Deed::Undid,
            Phase::Query => return,
        };
        self.left += if deed == Deed::Did { -PRICE } else { PRICE };
        self.acts.push(Act {
            saga_id: command.saga_id,
            step: command.step.clone(),
            participant: self.participant.clone(),
            deed,
        });
    }

    /// Remembers what a command came to.
    pub(crate) fn remember(&mut self, command: &Command, state: State, reply: &Bytes) {
        let record = Record { state, body: BodyHash::of(&command.body), reply: reply.clone() };
        self.insert(command, command.phase, record);
    }

    /// Remembers that an action must never take effect.
    pub(crate) fn leave_tombstone(&mut self, command: &Command, reply: &Bytes) {
        let (state, body) = (State::Tombstone, BodyHash::of(&command.body));
        let record = Record { state, body, reply: reply.clone() };
        self.insert(command, Phase::Action, record);
    }

    fn insert(&mut self, command: &Command, phase: Phase, record: Record) {
        let identity = (self.identity)(command);
        self.rows.insert((command.saga_id, command.step.clone(), phase, identity), record);
    }

    pub(crate) fn acts(&self) -> &[Act] {
        &self.acts
    }

    pub(crate) fn barrier(&self) -> impl Iterator<Item = BarrierRow> {
        self.rows.iter().map(|((saga_id, step, phase, _), record)| BarrierRow {
            saga_id: *saga_id,
            step: step.clone(),
            participant: self.participant.clone(),
            phase: *phase,
            is_completed: record.state == State::Completed,
        })
    }

    pub(crate) fn ledger(&self) -> Ledger {
        let taken = |act: &Act| if act.deed == Deed::Did { PRICE } else { -PRICE };
        Ledger {
            promise: "stock is conserved",
            name: self.participant.to_string(),
            before: STOCK,
            now: self.left,
            taken: self.acts.iter().map(taken).sum(),
        }
    }
}
