//! A saga replayed from its journal.

use std::{collections::BTreeMap, sync::Arc};

use saga_core::{
    Birth, Definition, Saga,
    saga::{Status, StepStatus},
};
use saga_protocol::{Outcome, Phase, StepName, Timestamp};
use serde::{Deserialize, de::IgnoredAny};

use crate::{SeenSaga, Violation};

/// A saga, and what its journal says.
pub(crate) struct Replayed<'a> {
    pub(crate) seen: &'a SeenSaga,
    pub(crate) definition: &'a Definition,
    /// As its journal leads to it.
    pub(crate) saga: Saga,
    pub(crate) entries: Vec<Entry>,
}

/// A transition, as journaled.
#[derive(Deserialize)]
pub(crate) struct Entry {
    pub(crate) version: i64,
    pub(crate) at: Timestamp,
    pub(crate) event: Event,
    pub(crate) status: Status,
    /// Why the saga turned back, where it did so here.
    pub(crate) cause: Option<IgnoredAny>,
    pub(crate) changes: Vec<Change>,
    pub(crate) sent: Vec<Sent>,
}

/// What a transition came from.
#[derive(Deserialize)]
pub(crate) struct Event {
    #[serde(rename = "type")]
    pub(crate) kind: EventKind,
    pub(crate) verb: Option<String>,
    pub(crate) step: Option<StepName>,
    pub(crate) phase: Option<Phase>,
    pub(crate) attempt: Option<u32>,
    pub(crate) command_sha256: Option<String>,
    pub(crate) outcome: Option<Outcome>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventKind {
    Start,
    Reply,
    Due,
    Operator,
}

/// A change of a step.
#[derive(Deserialize)]
pub(crate) struct Change {
    pub(crate) step: StepName,
    pub(crate) from: StepStatus,
    pub(crate) to: StepStatus,
}

/// A command that was decided.
#[derive(Deserialize)]
pub(crate) struct Sent {
    pub(crate) step: StepName,
    pub(crate) phase: Phase,
    pub(crate) attempt: u32,
}

impl<'a> Replayed<'a> {
    pub(crate) fn of(
        seen: &'a SeenSaga,
        definitions: &'a BTreeMap<String, Arc<Definition>>,
    ) -> Result<Self, Violation> {
        let id = seen.id;
        let hash = &seen.definition_hash;
        let definition = definitions.get(hash).ok_or_else(|| {
            Violation::new("a definition is kept", format!("{id} follows `{hash}`"))
        })?;
        let versions: Vec<_> = seen.journal.iter().map(|(version, _)| *version).collect();
        if !versions.iter().copied().eq(1..=seen.version) {
            let what = format!("{id} has version {} and entries {versions:?}", seen.version);
            return Err(Violation::new("a journal has no gap and no fork", what));
        }
        let entries: Result<Vec<Entry>, _> =
            seen.journal.iter().map(|(_, entry)| serde_json::from_str(entry.get())).collect();
        let unreadable = |error: &dyn std::fmt::Display| {
            Violation::new("a journal can be replayed", format!("{id}: {error}"))
        };
        let entries = entries.map_err(|error| unreadable(&error))?;
        let birth = Birth { id, key: seen.key.clone(), input: seen.input.clone() };
        let journal = seen.journal.iter().map(|(_, entry)| entry);
        let saga = match saga_core::replay(definition, birth, journal) {
            Ok(saga) => saga,
            Err(error) => {
                // Whoever forged the journal may have broken the order too.
                let order = crate::history::order_of_undo(id, definition, &entries);
                return Err(order.unwrap_or_else(|| unreadable(&error)));
            }
        };
        Ok(Self { seen, definition, saga, entries })
    }
}
