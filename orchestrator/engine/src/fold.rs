//! Folding: the events of claimed sagas go through the core, and what comes out becomes one row and
//! its journal per saga. Nothing here waits; what must happen after the commit is kept until then.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use saga_core::{
    Definition, Saga,
    saga::{Effect, Event, Note, Rejection, Transition},
};
use saga_protocol::{Command, Json, SagaId, Timestamp};
use saga_store::{Claimed, Row, Start, Update, Verdict, Wake};

use crate::{Inner, Snapshot, Understood, metrics::Moves, snapshot};

/// Folds one claim. After a rollback the same folder may fold again: it begins anew.
pub(crate) struct Folder<'a> {
    engine: &'a Inner,
    /// The sagas that were claimed and whose definition is known.
    pub(crate) sagas: Vec<Folded>,
    /// Asked for, and held by another transaction.
    pub(crate) busy: Vec<SagaId>,
    /// Asked for, and not there.
    pub(crate) absent: Vec<SagaId>,
    /// Sagas left alone because the version they follow, which is given, is not known here.
    pub(crate) unknown: BTreeMap<SagaId, String>,
}

impl<'a> Folder<'a> {
    pub(crate) fn new(engine: &'a Inner) -> Self {
        let (sagas, busy, absent) = (vec![], vec![], vec![]);
        Self { engine, sagas, busy, absent, unknown: BTreeMap::new() }
    }

    /// Folds the events of each claimed saga, in their order.
    pub(crate) fn fold<'e>(
        &mut self,
        claimed: Claimed,
        events: impl Fn(&Row) -> Vec<&'e Event>,
    ) -> Verdict {
        *self = Self::new(self.engine);
        let Claimed { now, rows, busy, absent } = claimed;
        (self.busy, self.absent) = (busy, absent);
        for row in rows {
            if self.engine.definitions.version(&row.definition_hash).is_none() {
                self.unknown.insert(row.id, row.definition_hash);
                continue;
            }
            let events = events(&row);
            self.sagas.push(Folded::new(row, &events, self.engine, now));
        }
        let updates = self.sagas.iter().filter_map(|folded| folded.update().cloned()).collect();
        Verdict { updates, ..Verdict::default() }
    }
}

/// One saga with its events folded in.
pub(crate) struct Folded {
    row: Row,
    now: Timestamp,
    work: Work,
}

/// What the events of one saga came to.
struct Work {
    /// The saga after the events.
    understood: Result<Understood, String>,
    /// What is to be written; nothing where no event was accepted.
    update: Option<Update>,
    /// Per event, why it changed nothing.
    rejections: Vec<Option<Rejection>>,
    commands: Vec<Command>,
    moves: Moves,
    notes: Vec<Note>,
}

impl Work {
    fn on(understood: Result<Understood, String>) -> Self {
        let (update, rejections, commands, notes) = (None, vec![], vec![], vec![]);
        Self { understood, update, rejections, commands, moves: Moves::default(), notes }
    }

    fn of(row: &Row, events: &[&Event], engine: &Inner, now: Timestamp) -> Self {
        let Understood { definition, mut saga } =
            match snapshot::understand(row, &engine.definitions) {
                Ok(understood) => understood,
                Err(reason) => return Self::on(Err(reason)),
            };
        let mut journal = Vec::new();
        let (mut rejections, mut commands, mut notes) = (vec![], vec![], vec![]);
        let mut moves = Moves::default();
        for event in events {
            match saga_core::advance(&definition, &saga, event, engine.source.at(now)) {
                Ok(transition) => {
                    let Transition { saga: next, entry, effects, notes: noted } = transition;
                    saga = next;
                    journal.push(entry);
                    commands.extend(effects.into_iter().map(|Effect::Send(command)| command));
                    notes.extend(noted);
                    moves.note(event);
                    rejections.push(None);
                }
                Err(rejection) => rejections.push(Some(rejection)),
            }
        }
        let update = (!journal.is_empty()).then(|| {
            let wake = wake(saga.wake_at(now), row.wake_at);
            update(&saga, &definition, row.version, journal, wake)
        });
        let understood = Ok(Understood { definition, saga });
        Self { understood, update, rejections, commands, moves, notes }
    }
}

impl Folded {
    pub(crate) fn new(row: Row, events: &[&Event], engine: &Inner, now: Timestamp) -> Self {
        // A panic is a bug that must hurt one saga only. Nothing outlives it: the half-folded saga
        // is dropped.
        let folding = AssertUnwindSafe(|| Work::of(&row, events, engine, now));
        let work = catch_unwind(folding)
            .unwrap_or_else(|_| Work::on(Err("internal error: deciding it panicked".to_owned())));
        Self { row, now, work }
    }

    pub(crate) fn id(&self) -> SagaId {
        self.row.id
    }

    /// What is to be written; nothing where no event was accepted.
    pub(crate) fn update(&self) -> Option<&Update> {
        self.work.update.as_ref()
    }

    /// Why nothing could be decided, where that is so.
    pub(crate) fn not_understood(&self) -> Option<&str> {
        self.work.understood.as_ref().err().map(String::as_str)
    }

    /// Why the event at this place changed nothing, if so.
    pub(crate) fn rejection(&self, event: usize) -> Option<&Rejection> {
        self.work.rejections.get(event)?.as_ref()
    }

    /// Why events changed nothing.
    pub(crate) fn rejections(&self) -> impl Iterator<Item = &Rejection> {
        self.work.rejections.iter().flatten()
    }

    /// The saga as it is once this is committed.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let row = match self.update() {
            Some(update) => snapshot::updated(&self.row, update, self.now),
            None => self.row.clone(),
        };
        Snapshot { row, understood: self.work.understood.clone() }
    }

    /// What is owed to the world once this is committed; nothing where nothing changed.
    pub(crate) fn into_committed(self) -> Option<Committed> {
        let has_ended = self.update()?.finished_at.is_some();
        let ended = has_ended.then(|| self.snapshot());
        let Work { understood, commands, moves, notes, .. } = self.work;
        Some(Committed { saga: understood.ok()?.saga, commands, moves, notes, ended })
    }
}

/// A saga whose transitions are durable, and what they ask for.
pub(crate) struct Committed {
    pub(crate) saga: Saga,
    pub(crate) commands: Vec<Command>,
    /// What led to it.
    pub(crate) moves: Moves,
    pub(crate) notes: Vec<Note>,
    /// The saga for whoever waits for its end, where it has ended.
    pub(crate) ended: Option<Snapshot>,
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
pub(crate) fn first_update(
    transition: &Transition,
    definition: &Definition,
    now: Timestamp,
) -> Update {
    let Transition { saga, entry, .. } = transition;
    let wake = wake(saga.wake_at(now), None);
    update(saga, definition, 0, vec![entry.clone()], wake)
}

/// The row as it is once a start is committed.
pub(crate) fn first_row(start: &Start) -> Row {
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
pub(crate) fn tell(saga: &Saga, notes: &[Note]) {
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
            Note::Answered { participant, phase, outcome, took } => tracing::debug!(
                saga.id = %id, saga.definition = %definition, participant.name = %participant,
                phase = %phase, outcome = %outcome, ?took, "an attempt was answered"),
            Note::Ended(status) => tracing::info!(
                saga.id = %id, saga.definition = %definition, saga.status = %status, "saga ended"),
        }
    }
}
