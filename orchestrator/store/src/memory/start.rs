//! Starting sagas: each in turn against what is there and what the batch has inserted before it.

use std::collections::BTreeSet;

use saga_protocol::SagaId;

use super::{
    rules::{self, Checked},
    tables::{Saga, Tables},
};
use crate::{
    Error, JournalRow, Row, Start, Started, Wake,
    settle::{Found, admissible, settle},
};

impl Tables {
    pub(super) fn start(&mut self, starts: &[Start]) -> Result<Vec<Started>, Error> {
        for start in starts {
            check(start)?;
        }
        let admissible: Vec<_> =
            admissible(starts).into_iter().filter(|start| !self.was_given_back(start)).collect();
        let mut created = BTreeSet::new();
        for start in admissible {
            if !self.is_taken(start) {
                self.insert(born(start));
                created.insert(start.id);
            }
        }
        let settle = |start: &Start| match created.contains(&start.id) {
            true => Ok(Started::Created),
            false => settle(start, &self.in_the_way(start)),
        };
        starts.iter().map(settle).collect()
    }

    /// Whether the business key of a start without an idempotency key had been given back before
    /// this batch: that is for a new idempotency key only.
    fn was_given_back(&self, start: &Start) -> bool {
        start.idempotency_key.is_none()
            && self.of_key(start).any(|row| rules::gives_its_key_back(&row.status))
    }

    /// Whether a unique index stands against it.
    fn is_taken(&self, start: &Start) -> bool {
        self.sagas.contains_key(&start.id)
            || self.of_idempotency_key(start).is_some()
            || self.of_key(start).any(|row| !rules::gives_its_key_back(&row.status))
    }

    fn of_idempotency_key(&self, start: &Start) -> Option<SagaId> {
        let key = start.idempotency_key.clone()?;
        self.by_idempotency_key.get(&(start.definition.clone(), key)).copied()
    }

    /// The sagas that have its business key or had it, oldest first.
    fn of_key(&self, start: &Start) -> impl DoubleEndedIterator<Item = &Row> {
        self.of(&start.definition, start.key.as_deref())
    }

    /// All that an answer to a start may name.
    fn in_the_way(&self, start: &Start) -> Vec<Found> {
        let of_key = self.of_key(start).map(|row| row.id);
        let ids: BTreeSet<_> =
            [start.id].into_iter().chain(self.of_idempotency_key(start)).chain(of_key).collect();
        let found = ids.iter().filter_map(|id| self.sagas.get(id)).map(|saga| Found {
            row: saga.row.clone(),
            idempotency_key: saga.idempotency_key.clone(),
            request_hash: saga.request_hash.to_vec(),
        });
        found.collect()
    }
}

fn check(start: &Start) -> Result<(), Error> {
    rules::check_text(start)?;
    let first = &start.first;
    Checked {
        status: first.status,
        version: first.version(),
        paused_at: first.paused_at,
        wake_at: wake_at(first.wake),
        finished_at: first.finished_at,
    }
    .check()
}

fn wake_at(wake: Wake) -> Option<saga_protocol::Timestamp> {
    match wake {
        Wake::At(at) => Some(at),
        Wake::Keep | Wake::Never => None,
    }
}

fn born(start: &Start) -> Saga {
    let first = &start.first;
    let journal = first.entries().map(|(_, version, entry)| JournalRow {
        at: start.created_at,
        version,
        entry: entry.clone(),
    });
    Saga {
        row: Row {
            id: start.id,
            definition: start.definition.clone(),
            definition_hash: start.definition_hash.clone(),
            key: start.key.clone(),
            status: first.status.to_owned(),
            paused_at: first.paused_at,
            version: first.version(),
            input: start.input.clone(),
            state: first.state.clone(),
            value: start.value.clone(),
            wake_at: wake_at(first.wake),
            created_at: start.created_at,
            updated_at: start.created_at,
            finished_at: first.finished_at,
            trouble: None,
        },
        idempotency_key: start.idempotency_key.clone(),
        request_hash: start.request_hash,
        journal: journal.collect(),
    }
}
