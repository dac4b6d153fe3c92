//! The one way a saga changes: claim, decide, check, commit. A caller that goes away in the middle
//! leaves nothing locked and nothing written.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use saga_protocol::{SagaId, Timestamp};

use super::{
    Memory,
    rules::{self, Checked},
    tables::{Saga, Tables},
};
use crate::{Claim, Claimed, Decide, Error, JournalRow, Row, Update, Verdict, Wake, locks::Held};

pub(super) async fn transact(
    memory: &Memory,
    claim: Claim,
    decide: Decide<'_>,
) -> Result<(), Error> {
    let (held, claimed) = take(memory, claim);
    let now = claimed.now;
    // Others run with these rows locked, and with what was decided about them not yet written.
    tokio::task::yield_now().await;
    let verdict = decide(claimed);
    memory.take_time().await;
    memory.tables().commit(now, &held, verdict)
}

fn take(memory: &Memory, claim: Claim) -> (Held, Claimed) {
    let now = memory.clock();
    let (tables, locks) = (memory.tables(), &memory.0.locks);
    let mut claimed = Claimed { now, rows: Vec::new(), busy: Vec::new(), absent: Vec::new() };
    let (held, ids) = match claim {
        Claim::Sagas(ids) => {
            let asked: BTreeSet<_> = ids.into_iter().collect();
            let (there, absent): (Vec<_>, Vec<_>) =
                asked.into_iter().partition(|id| tables.row(*id).is_some());
            let held = locks.take(there.iter().copied(), usize::MAX);
            claimed.busy = there.iter().copied().filter(|id| !held.has(*id)).collect();
            claimed.absent = absent;
            (held, there)
        }
        Claim::Due(limit) => {
            let due = tables.due(now);
            (locks.take(due.iter().copied(), usize::try_from(limit).unwrap_or(usize::MAX)), due)
        }
    };
    let mine = ids.into_iter().filter(|id| held.has(*id));
    claimed.rows = mine.filter_map(|id| tables.row(id).cloned()).collect();
    (held, claimed)
}

/// What a saga is to become.
struct Change {
    update: Option<Update>,
    wake_at: Option<Timestamp>,
}

impl Tables {
    /// Those whose time has come, earliest first.
    fn due(&self, now: Timestamp) -> Vec<SagaId> {
        self.by_wake.iter().take_while(|(at, _)| *at <= now).map(|(_, id)| *id).collect()
    }

    /// Writes what was decided about the sagas that are held; all of it, or nothing.
    fn commit(&mut self, now: Timestamp, held: &Held, verdict: Verdict) -> Result<(), Error> {
        let Verdict { updates, wakes, letters } = verdict;
        let mut changes = BTreeMap::new();
        for update in updates {
            let row = self.held(held, update.id)?;
            let wake_at = wake_at(&update, row, now);
            let (id, as_loaded) = (update.id, row.version == update.loaded);
            let before = changes.insert(id, Change { update: Some(update), wake_at });
            if before.is_some() || !as_loaded {
                return Err(conflict(id));
            }
        }
        let mut woken = BTreeSet::new();
        for (id, at) in wakes {
            self.held(held, id)?;
            if !woken.insert(id) {
                return Err(conflict(id));
            }
            match changes.entry(id) {
                Entry::Occupied(mut change) => change.get_mut().wake_at = Some(at),
                Entry::Vacant(none) => {
                    none.insert(Change { update: None, wake_at: Some(at) });
                }
            }
        }
        for (id, change) in &changes {
            change.check(self.held(held, *id)?)?;
        }
        // Nothing fails from here on.
        for (id, change) in changes {
            self.change(id, |saga| change.write(saga, now));
        }
        self.park(now, &letters);
        Ok(())
    }

    /// A saga that may be changed.
    fn held(&self, held: &Held, id: SagaId) -> Result<&Row, Error> {
        let row = self.row(id).filter(|_| held.has(id));
        row.ok_or_else(|| Error::Permanent(format!("saga `{id}` was decided and not claimed")))
    }
}

impl Change {
    fn check(&self, row: &Row) -> Result<(), Error> {
        let wake_at = self.wake_at;
        let checked = match &self.update {
            Some(update) => Checked {
                status: update.status,
                version: update.version(),
                paused_at: update.paused_at,
                wake_at,
                finished_at: update.finished_at,
            },
            None => Checked {
                status: &row.status,
                version: row.version,
                paused_at: row.paused_at,
                wake_at,
                finished_at: row.finished_at,
            },
        };
        checked.check()
    }

    fn write(self, saga: &mut Saga, now: Timestamp) {
        saga.row.wake_at = self.wake_at;
        let Some(update) = self.update else {
            return;
        };
        let row = &mut saga.row;
        row.version = update.version();
        update.status.clone_into(&mut row.status);
        row.paused_at = update.paused_at;
        row.state = update.state;
        row.updated_at = now;
        row.finished_at = update.finished_at;
        row.trouble = None;
        let entries = (update.loaded.saturating_add(1)..).zip(update.journal);
        saga.journal.extend(entries.map(|(version, entry)| JournalRow { at: now, version, entry }));
    }
}

fn wake_at(update: &Update, row: &Row, now: Timestamp) -> Option<Timestamp> {
    match update.wake {
        _ if update.finished_at.is_some() => None,
        Wake::At(at) => Some(at),
        Wake::Never => None,
        // What runs must be looked at: at once, where nobody knows when.
        Wake::Keep if rules::is_active(update.status) && update.paused_at.is_none() => {
            row.wake_at.or(Some(now))
        }
        Wake::Keep => row.wake_at,
    }
}

fn conflict(id: SagaId) -> Error {
    Error::Conflict(format!("saga `{id}` is not as it had been loaded"))
}
