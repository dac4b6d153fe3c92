//! What a start comes to, the same on every adapter: which of a batch may be inserted, and what
//! stood in the way of those that were not.

use std::collections::BTreeSet;

use saga_protocol::SagaId;

use crate::{Error, Row, Start, Started};

/// A saga that stood in the way of a start, perhaps.
pub(crate) struct Found {
    pub(crate) row: Row,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) request_hash: Vec<u8>,
}

impl Found {
    /// Whether its business key is its own.
    fn holds_its_key(&self) -> bool {
        !["compensated", "partly_compensated", "abandoned"].contains(&self.row.status.as_str())
    }
}

/// Those that may be inserted, in the order of their keys, so that no two batches wait for each
/// other; who has the same business key stays in the order of arrival.
///
/// Without an `Idempotency-Key` a business key is taken once and for all: the second of a batch is
/// not even tried, since a saga that ends with its start holds no key that would stop it.
pub(crate) fn admissible(starts: &[Start]) -> Vec<&Start> {
    let mut taken = BTreeSet::new();
    let mut admissible: Vec<_> = starts
        .iter()
        .filter(|start| {
            start.idempotency_key.is_some()
                || start.key.is_none()
                || taken.insert((&start.definition, &start.key))
        })
        .collect();
    admissible.sort_by_key(|start| {
        let idempotency_key = if start.key.is_some() { &None } else { &start.idempotency_key };
        (&start.definition, &start.key, idempotency_key)
    });
    admissible
}

/// What a start that was not inserted comes to.
pub(crate) fn settle(start: &Start, found: &[Found]) -> Result<Started, Error> {
    if found.iter().any(|found| found.row.id == start.id) {
        return Ok(Started::Created);
    }
    let here = || found.iter().filter(|found| found.row.definition == start.definition);
    if let Some(key) = &start.idempotency_key
        && let Some(known) = here().find(|found| found.idempotency_key.as_ref() == Some(key))
    {
        let row = Box::new(known.row.clone());
        let same = known.request_hash == start.request_hash;
        return Ok(if same { Started::Existing(row) } else { Started::OtherRequest(row) });
    }
    let of_key = here().filter(|found| start.key.is_some() && found.row.key == start.key);
    let newest = of_key.max_by_key(|found| (found.holds_its_key(), found.row.id.0));
    match newest {
        Some(found) if start.idempotency_key.is_some() && !found.holds_its_key() => {
            Err(gone(start.id))
        }
        Some(found) => {
            let row = Box::new(found.row.clone());
            let same = found.request_hash == start.request_hash;
            let repeats = same && start.idempotency_key.is_none();
            Ok(if repeats { Started::Existing(row) } else { Started::KeyInUse(row) })
        }
        None => Err(gone(start.id)),
    }
}

/// What stood in the way let go of its key between the two statements.
fn gone(id: SagaId) -> Error {
    Error::Transient(format!("what stood in the way of saga `{id}` is gone: try again"))
}
