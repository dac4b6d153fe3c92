//! Writing without deciding: later looks, sagas that nobody understands, definitions.

use std::time::Duration;

use saga_protocol::Timestamp;
use tokio::time::timeout;

use super::{
    Memory,
    tables::{Kept, Tables},
};
use crate::{DefinitionRow, Error, Postpone, Sideline, letter::storable};

/// A row that is held longer than this is not coming, as on Postgres.
const LOCK_MAX: Duration = Duration::from_secs(2);

/// Waits for whoever holds the saga, since what is set aside is set aside whatever else happens.
pub(super) async fn sideline(memory: &Memory, sideline: &Sideline) -> Result<(), Error> {
    let free = async {
        loop {
            // Told of what is released from here on, so that nothing is missed.
            let released = memory.0.released.notified();
            {
                let mut tables = memory.tables();
                if !tables.locked.contains(&sideline.id) {
                    tables.sideline(memory.clock(), sideline);
                    return;
                }
            }
            released.await;
        }
    };
    let late = |_| Error::Transient(format!("saga `{}` is held by another", sideline.id));
    timeout(LOCK_MAX, free).await.map_err(late)
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
    pub(super) fn postpone(&mut self, wakes: &[Postpone]) {
        for wake in wakes {
            let is_later = self.row(wake.id).is_some_and(|row| {
                row.version == wake.version && row.wake_at.is_some_and(|at| at < wake.wake_at)
            });
            if is_later && !self.locked.contains(&wake.id) {
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
