//! Folding: the events of claimed sagas go through the core, and what comes out becomes one row and
//! its journal per saga. Nothing here waits; what must happen after the commit is kept until then.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use saga_core::{
    Definition, Saga,
    saga::{At, Effect, Event, Note, Rejection, Transition},
};
use saga_protocol::{Command, Json, SagaId, Timestamp};
use saga_store::{Claimed, Row, Start, Update, Verdict, Wake};

use super::{Snapshot, Understood, snapshot};
use crate::definitions::Definitions;

/// Folds one claim. After a rollback the same folder may fold again: it begins anew.
pub(super) struct Folder<'a> {
    definitions: &'a Definitions,
    /// The sagas that were claimed and whose definition is known.
    pub(super) sagas: Vec<Folded>,
    /// Asked for, and held by another transaction.
    pub(super) busy: Vec<SagaId>,
    /// Asked for, and not there.
    pub(super) absent: Vec<SagaId>,
    /// Sagas left alone because the version they follow, which is given, is not known here.
    pub(super) unknown: BTreeMap<SagaId, String>,
}

impl<'a> Folder<'a> {
    pub(super) fn new(definitions: &'a Definitions) -> Self {
        let (sagas, busy, absent) = (vec![], vec![], vec![]);
        Self { definitions, sagas, busy, absent, unknown: BTreeMap::new() }
    }

    /// Folds the events of each claimed saga, in their order.
    pub(super) fn fold<'e>(
        &mut self,
        claimed: Claimed,
        events: impl Fn(&Row) -> Vec<&'e Event>,
    ) -> Verdict {
        *self = Self::new(self.definitions);
        let Claimed { now, rows, busy, absent } = claimed;
        (self.busy, self.absent) = (busy, absent);
        for row in rows {
            if self.definitions.version(&row.definition_hash).is_none() {
                self.unknown.insert(row.id, row.definition_hash);
                continue;
            }
            let events = events(&row);
            self.sagas.push(Folded::new(row, &events, self.definitions, now));
        }
        let updates = self.sagas.iter().filter_map(|folded| folded.update.clone()).collect();
        Verdict { updates, ..Verdict::default() }
    }
}

/// One saga with its events folded in.
pub(super) struct Folded {
    row: Row,
    now: Timestamp,
    /// The saga after the events.
    understood: Result<Understood, String>,
    /// What is to be written; nothing where no event was accepted.
    pub(super) update: Option<Update>,
    /// Per event, why it changed nothing.
    rejections: Vec<Option<Rejection>>,
    commands: Vec<Command>,
    notes: Vec<Note>,
}

impl Folded {
    pub(super) fn new(
        row: Row,
        events: &[&Event],
        definitions: &Definitions,
        now: Timestamp,
    ) -> Self {
        let understood = snapshot::understand(&row, definitions);
        let (update, rejections, commands, notes) = (None, vec![], vec![], vec![]);
        let untouched = Self { row, now, understood, update, rejections, commands, notes };
        // A panic is a bug that must hurt one saga only. Nothing outlives it: the half-folded saga
        // is dropped.
        let row = untouched.row.clone();
        catch_unwind(AssertUnwindSafe(|| untouched.folded(events))).unwrap_or_else(|_| Self {
            row,
            now,
            understood: Err("internal error: deciding it panicked".to_owned()),
            update: None,
            rejections: vec![],
            commands: vec![],
            notes: vec![],
        })
    }

    fn folded(mut self, events: &[&Event]) -> Self {
        let Ok(Understood { definition, mut saga }) = self.understood.clone() else {
            return self;
        };
        let mut journal = Vec::new();
        for event in events {
            let at = At { now: self.now, draw: rand::random() };
            match saga_core::advance(&definition, &saga, event, at) {
                Ok(transition) => {
                    saga = self.take(transition, &mut journal);
                    self.rejections.push(None);
                }
                Err(rejection) => self.rejections.push(Some(rejection)),
            }
        }
        if !journal.is_empty() {
            let wake = wake(saga.wake_at(self.now), self.row.wake_at);
            self.update = Some(update(&saga, &definition, self.row.version, journal, wake));
        }
        self.understood = Ok(Understood { definition, saga });
        self
    }

    fn take(&mut self, transition: Transition, journal: &mut Vec<Json>) -> Saga {
        let Transition { saga, entry, effects, notes } = transition;
        journal.push(entry);
        self.commands.extend(effects.into_iter().map(|Effect::Send(command)| command));
        self.notes.extend(notes);
        saga
    }

    pub(super) fn id(&self) -> SagaId {
        self.row.id
    }

    /// Why nothing could be decided, where that is so.
    pub(super) fn not_understood(&self) -> Option<&str> {
        self.understood.as_ref().err().map(String::as_str)
    }

    /// Why the event at this place changed nothing, if so.
    pub(super) fn rejection(&self, event: usize) -> Option<Rejection> {
        self.rejections.get(event).cloned().flatten()
    }

    /// The saga as it is once this is committed.
    pub(super) fn snapshot(&self) -> Snapshot {
        let row = match &self.update {
            Some(update) => snapshot::updated(&self.row, update, self.now),
            None => self.row.clone(),
        };
        Snapshot { row, understood: self.understood.clone() }
    }

    /// What is owed to the world once this is committed; nothing where nothing changed.
    pub(super) fn into_committed(self) -> Option<Committed> {
        self.update.as_ref()?;
        let snapshot = self.snapshot();
        let Understood { definition, saga } = self.understood.ok()?;
        let (commands, notes) = (self.commands, self.notes);
        Some(Committed { saga, definition, commands, notes, snapshot })
    }
}

/// A saga whose transitions are durable, and what they ask for.
pub(super) struct Committed {
    pub(super) saga: Saga,
    pub(super) definition: Arc<Definition>,
    pub(super) commands: Vec<Command>,
    pub(super) notes: Vec<Note>,
    pub(super) snapshot: Snapshot,
}

/// What becomes of `wake_at`, a lower bound: written only to make it earlier or null.
fn wake(wanted: Option<Timestamp>, stored: Option<Timestamp>) -> Wake {
    match (wanted, stored) {
        (None, _) => Wake::Never,
        (Some(wanted), Some(stored)) if stored <= wanted => Wake::Keep,
        (Some(wanted), _) => Wake::At(wanted),
    }
}

fn update(
    saga: &Saga,
    definition: &Definition,
    loaded: i64,
    journal: Vec<Json>,
    wake: Wake,
) -> Update {
    Update {
        id: saga.id,
        loaded,
        journal,
        status: saga.status().as_str(),
        paused_at: saga.paused_at,
        state: saga.state_json(definition),
        wake,
        finished_at: saga.finished_at(),
    }
}

/// The row that a start writes.
pub(super) fn first_update(
    transition: &Transition,
    definition: &Definition,
    now: Timestamp,
) -> Update {
    let Transition { saga, entry, .. } = transition;
    let wake = wake(saga.wake_at(now), None);
    update(saga, definition, 0, vec![entry.clone()], wake)
}

/// The row as it is once a start is committed.
pub(super) fn first_row(start: &Start) -> Row {
    let unborn = Row {
        id: start.id,
        definition: start.definition.clone(),
        definition_hash: start.definition_hash.clone(),
        key: start.key.clone(),
        status: String::new(),
        paused_at: None,
        version: 0,
        input: start.input.clone(),
        state: start.first.state.clone(),
        value: start.value.clone(),
        wake_at: None,
        created_at: start.created_at,
        updated_at: start.created_at,
        finished_at: None,
        trouble: None,
    };
    snapshot::updated(&unborn, &start.first, start.created_at)
}

/// Says what people want to know of transitions that are durable.
pub(super) fn tell(saga: &Saga, notes: &[Note]) {
    let (id, definition) = (saga.id, &saga.definition);
    for note in notes {
        match note {
            Note::TurnedBack(cause) => tracing::info!(
                saga.id = %id, saga.definition = %definition, cause = cause.code,
                "saga turned back: what took effect is undone"),
            Note::Stuck { step, fault } => tracing::error!(
                saga.id = %id, saga.definition = %definition, step.name = %step, cause = fault.code,
                "saga is stuck: a step needs an operator; see `saga show {id}`"),
            Note::Overdue => tracing::warn!(
                saga.id = %id, saga.definition = %definition,
                "saga is overdue: its deadline passed after its pivot was sent"),
            Note::Late { step } => tracing::info!(
                saga.id = %id, saga.definition = %definition, step.name = %step,
                "a final answer came too late to move anything"),
            Note::Contradiction { step, message } => tracing::error!(
                saga.id = %id, saga.definition = %definition, step.name = %step, message,
                "a participant contradicts itself; compare its database with `saga journal {id}`"),
            Note::Ended(status) => tracing::info!(
                saga.id = %id, saga.definition = %definition, saga.status = %status, "saga ended"),
        }
    }
}
