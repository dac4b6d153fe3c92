//! Writing without deciding: later looks, sagas that nobody understands, definitions.

use saga_protocol::Timestamp;

use super::{
    Memory,
    tables::{Kept, Tables},
};
use crate::{DefinitionRow, Error, Postpone, Sideline, letter::storable, locks::Locks};

/// Waits for whoever holds the saga, since what is set aside is set aside whatever else happens.
pub(super) async fn sideline(memory: &Memory, sideline: &Sideline) -> Result<(), Error> {
    let _held = memory.0.locks.wait_for(sideline.id).await?;
    memory.tables().sideline(memory.clock(), sideline);
    Ok(())
}

impl Tables {
    fn sideline(&mut self, now: Timestamp, sideline: &Sideline) {
        let Some(row) = self.row(sideline.id) else {
            return;
        };
        let reason = storable(&sideline.reason);
        match sideline.until {
            Some(until) if row.wake_at.is_some() => self.change(sideline.id, |saga| {
                saga.row.trouble = Some(reason);
                saga.row.wake_at = Some(now.after(until));
            }),
            None if row.finished_at.is_none() => self.change(sideline.id, |saga| {
                "stuck".clone_into(&mut saga.row.status);
                saga.row.trouble = Some(format!("internal_error: {reason}"));
                saga.row.wake_at = None;
                saga.row.updated_at = now;
            }),
            Some(_) | None => {}
        }
    }

    /// Whoever holds a saga moves it on, and needs no postponing.
    pub(super) fn postpone(&mut self, locks: &Locks, wakes: &[Postpone]) {
        for wake in wakes {
            let is_later = self.row(wake.id).is_some_and(|row| {
                row.version == wake.version && row.wake_at.is_some_and(|at| at < wake.wake_at)
            });
            if is_later && locks.take([wake.id], 1).has(wake.id) {
                self.change(wake.id, |saga| saga.row.wake_at = Some(wake.wake_at));
            }
        }
    }

    pub(super) fn put_definitions(&mut self, now: Timestamp, definitions: &[DefinitionRow]) {
        for definition in definitions {
            let known = self.definitions.entry(definition.hash.clone());
            known.or_insert_with(|| Kept { row: definition.clone(), first_seen: now });
        }
    }
}
