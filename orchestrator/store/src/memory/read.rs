//! Reading: by id, by key, lists, the journal, definitions.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
};

use saga_protocol::{Json, SagaId, Timestamp};
use serde_json::value::RawValue;

use super::{rules, tables::Tables};
use crate::{DefinitionRow, Filter, JournalRow, PAGE_BYTES_MAX, Page, Paged, Row};

/// Where a step is that its saga is at now.
const STEP_IS_AT: [&str; 5] =
    ["running", "waiting", "failed", "compensating", "compensation_failed"];

impl Tables {
    pub(super) fn get(&self, ids: &[SagaId]) -> Vec<Row> {
        let ids: BTreeSet<_> = ids.iter().collect();
        ids.into_iter().filter_map(|id| self.row(*id)).cloned().collect()
    }

    pub(super) fn find(&self, definition: &str, key: &str) -> Option<Row> {
        self.of(definition, Some(key)).next_back().cloned()
    }

    /// The sagas that have a business key or had it, oldest first.
    pub(super) fn of(
        &self,
        definition: &str,
        key: Option<&str>,
    ) -> impl DoubleEndedIterator<Item = &Row> {
        let key = key.map(|key| (definition.to_owned(), key.to_owned()));
        let ids = key.and_then(|key| self.by_key.get(&key));
        ids.into_iter().flatten().filter_map(|id| self.row(*id))
    }

    pub(super) fn list(&self, filter: &Filter, page: &Page<SagaId>) -> Paged<Row> {
        let before = page.after.map_or(Unbounded, Excluded);
        let sagas = self.sagas.range((Unbounded, before)).rev();
        let rows = sagas.map(|(_, saga)| &saga.row).filter(|row| filter.shows(row));
        paged(rows, page.limit, bytes)
    }

    pub(super) fn unended(&self, page: &Page<SagaId>) -> Paged<Row> {
        let ids = self.unended.range((page.after.map_or(Unbounded, Excluded), Unbounded));
        paged(ids.filter_map(|id| self.row(*id)), page.limit, bytes)
    }

    pub(super) fn waking(&self, page: &Page<(Timestamp, SagaId)>) -> Paged<Row> {
        let wakes = self.by_wake.range((page.after.map_or(Unbounded, Excluded), Unbounded));
        paged(wakes.filter_map(|(_, id)| self.row(*id)), page.limit, bytes)
    }

    pub(super) fn journal(&self, id: SagaId, page: &Page<i64>) -> Vec<JournalRow> {
        let journal = self.sagas.get(&id).map_or(&[][..], |saga| &saga.journal);
        let behind = journal.iter().filter(|entry| entry.version > page.after.unwrap_or(0));
        behind.take(usize::try_from(page.limit).unwrap_or(usize::MAX)).cloned().collect()
    }

    pub(super) fn definitions(&self, hashes: &[String]) -> Vec<DefinitionRow> {
        let hashes: BTreeSet<_> = hashes.iter().collect();
        let kept = hashes.into_iter().filter_map(|hash| self.definitions.get(hash));
        kept.map(|kept| kept.row.clone()).collect()
    }
}

impl Filter {
    fn shows(&self, row: &Row) -> bool {
        let Self { statuses, definition, step, key, created_before } = self;
        (statuses.is_empty() || statuses.contains(&row.status))
            && definition.as_ref().is_none_or(|definition| *definition == row.definition)
            && key.as_ref().is_none_or(|key| row.key.as_ref() == Some(key))
            && created_before.is_none_or(|before| row.created_at < before)
            && step.as_ref().is_none_or(|step| is_at(row, step))
    }
}

/// Whether a saga is at a step now.
fn is_at(row: &Row, step: &str) -> bool {
    !rules::is_end(&row.status)
        && steps_now(&row.state).is_some_and(|steps| steps.iter().any(|name| name == step))
}

/// The steps that a state is at, by as much of it as must be read.
fn steps_now(state: &Json) -> Option<Vec<String>> {
    type Fields<'a> = BTreeMap<String, &'a RawValue>;
    let state: Fields<'_> = serde_json::from_str(state.get()).ok()?;
    let steps: Vec<Fields<'_>> = serde_json::from_str(state.get("steps")?.get()).ok()?;
    let text = |step: &Fields<'_>, field| -> Option<String> {
        serde_json::from_str(step.get(field)?.get()).ok()
    };
    let is_now = |step: &Fields<'_>| {
        text(step, "status").is_some_and(|status| STEP_IS_AT.contains(&status.as_str()))
    };
    Some(steps.iter().filter(|step| is_now(step)).filter_map(|step| text(step, "name")).collect())
}

/// What a saga counts for on a page.
fn bytes(row: &Row) -> usize {
    row.input.get().len() + row.state.get().len() + row.trouble.as_ref().map_or(0, String::len)
}

/// As many of the rows as a page holds.
pub(super) fn paged<'a, T: Clone + 'a>(
    rows: impl Iterator<Item = &'a T>,
    limit: u32,
    bytes: impl Fn(&T) -> usize,
) -> Paged<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let (mut items, mut size) = (Vec::new(), 0_usize);
    for row in rows {
        size = size.saturating_add(bytes(row));
        if items.len() >= limit || (!items.is_empty() && size > PAGE_BYTES_MAX) {
            return Paged { more: !items.is_empty(), items };
        }
        items.push(row.clone());
    }
    Paged { items, more: false }
}
