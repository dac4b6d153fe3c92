//! The tables and the indexes on them. Every change of a saga goes through [`Tables::insert`] and
//! [`Tables::change`], which keep the indexes.

use std::collections::{BTreeMap, BTreeSet};

use saga_protocol::{SagaId, Timestamp};
use uuid::Uuid;

use super::{Dump, rules};
use crate::{DeadLetterRow, DefinitionRow, JournalRow, Row};

/// A name in the scope of a definition: a business key, or an idempotency key.
type Scoped = (String, String);

#[derive(Default)]
pub(super) struct Tables {
    pub(super) sagas: BTreeMap<SagaId, Saga>,
    pub(super) definitions: BTreeMap<String, Kept>,
    pub(super) letters: BTreeMap<Uuid, DeadLetterRow>,
    /// The order of letters.
    pub(super) letters_by_time: BTreeSet<(Timestamp, Uuid)>,
    pub(super) by_idempotency_key: BTreeMap<Scoped, SagaId>,
    /// All sagas that ever had a business key.
    pub(super) by_key: BTreeMap<Scoped, BTreeSet<SagaId>>,
    /// Those that have not ended.
    pub(super) unended: BTreeSet<SagaId>,
    pub(super) by_wake: BTreeSet<(Timestamp, SagaId)>,
}

/// A definition that was kept.
pub(super) struct Kept {
    pub(super) row: DefinitionRow,
    pub(super) first_seen: Timestamp,
}

pub(super) struct Saga {
    pub(super) row: Row,
    pub(super) idempotency_key: Option<String>,
    pub(super) request_hash: [u8; 32],
    pub(super) journal: Vec<JournalRow>,
}

impl Tables {
    pub(super) fn row(&self, id: SagaId) -> Option<&Row> {
        self.sagas.get(&id).map(|saga| &saga.row)
    }

    pub(super) fn insert(&mut self, saga: Saga) {
        let row = &saga.row;
        if let Some(key) = &row.key {
            let of_key = self.by_key.entry((row.definition.clone(), key.clone())).or_default();
            of_key.insert(row.id);
        }
        if let Some(key) = &saga.idempotency_key {
            self.by_idempotency_key.insert((row.definition.clone(), key.clone()), row.id);
        }
        let id = row.id;
        self.sagas.insert(id, saga);
        self.index(id);
    }

    /// Changes a saga that there is.
    pub(super) fn change(&mut self, id: SagaId, change: impl FnOnce(&mut Saga)) {
        let Some(saga) = self.sagas.get_mut(&id) else {
            return;
        };
        if let Some(at) = saga.row.wake_at {
            self.by_wake.remove(&(at, id));
        }
        self.unended.remove(&id);
        change(saga);
        self.index(id);
    }

    fn index(&mut self, id: SagaId) {
        let Some(saga) = self.sagas.get(&id) else {
            return;
        };
        if let Some(at) = saga.row.wake_at {
            self.by_wake.insert((at, id));
        }
        if !rules::is_end(&saga.row.status) {
            self.unended.insert(id);
        }
    }

    pub(super) fn dump(&self) -> Dump {
        let letters = self.letters_by_time.iter().filter_map(|(_, id)| self.letters.get(id));
        Dump {
            sagas: self
                .sagas
                .values()
                .map(|saga| (saga.row.clone(), saga.journal.clone()))
                .collect(),
            definitions: self.definitions.values().map(|kept| kept.row.clone()).collect(),
            letters: letters.cloned().collect(),
        }
    }
}
