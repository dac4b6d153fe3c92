//! The store in memory, for simulation: it promises what the one on Postgres promises, as long as
//! the process lives, and needs no server. In reading order: the tables and their rules, then
//! starting, changing, keeping, reading, versions, letters.
//!
//! One run is as the other: it is in order everywhere, draws no random numbers, and its clock is
//! that of tokio, so it stands still and jumps with `tokio::time::pause`. It fails only where it is
//! asked for what Postgres would refuse: faults are put around it.

mod change;
mod keep;
mod letters;
mod read;
mod rules;
mod start;
mod tables;
mod versions;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use saga_protocol::{SagaId, Timestamp};
use tokio::time::Instant;
use uuid::Uuid;

use self::tables::Tables;
use crate::{
    Claim, Closure, DeadLetter, DeadLetterRow, Decide, DefinitionRow, Error, Filter, InFlight,
    JournalRow, Letters, Page, Paged, Postpone, Row, Sideline, Start, Started, Store, Version,
    Versions, locks::Locks,
};

/// 2026-01-01T00:00:00Z, when every store in memory is made by its own clock.
const EPOCH: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);
/// How long a transaction takes to commit where nobody says otherwise: about as long as a disk
/// does. So transactions overlap, and find each other's locks.
const TRANSACTION: Duration = Duration::from_millis(1);

/// A store in memory. Its clones are connections to the same store.
#[derive(Clone)]
pub struct Memory(Arc<Shared>);

struct Shared {
    made: Instant,
    takes: Box<dyn Fn() -> Duration + Send + Sync>,
    /// Held for a moment, never while anybody decides or waits.
    tables: Mutex<Tables>,
    locks: Locks,
}

/// All that a store holds.
#[derive(Clone, Debug)]
pub struct Dump {
    /// The sagas in the order of their ids, each with its journal in the order of versions.
    pub sagas: Vec<(Row, Vec<JournalRow>)>,
    /// The definitions in the order of their hashes.
    pub definitions: Vec<DefinitionRow>,
    /// The dead letters in the order of their times and ids, closed ones too.
    pub letters: Vec<DeadLetterRow>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Memory {
    /// An empty store. Make it where its clock is to run: after `tokio::time::pause`.
    #[must_use]
    pub fn new() -> Self {
        Self::that_takes(|| TRANSACTION)
    }

    /// An empty store that asks `takes`, once for each transaction, how long that takes to commit
    /// what was decided, with its rows locked: a simulation draws it from its seed. Nothing around
    /// the port can do this. A transaction that takes no time still lets others run in its middle.
    #[must_use]
    pub fn that_takes(takes: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(Shared {
            made: Instant::now(),
            takes: Box::new(takes),
            tables: Mutex::default(),
            locks: Locks::default(),
        }))
    }

    /// All that is committed, at one moment: for whoever checks what became of everything.
    #[must_use]
    pub fn dump(&self) -> Dump {
        self.tables().dump()
    }

    /// Whoever panicked with it did so between two changes: each is checked before it is made.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clock(&self) -> Timestamp {
        EPOCH.after(self.0.made.elapsed())
    }

    /// What a transaction waits for before it is committed.
    async fn take_time(&self) {
        match (self.0.takes)() {
            Duration::ZERO => tokio::task::yield_now().await,
            time => tokio::time::sleep(time).await,
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("now", &self.clock()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for Memory {
    async fn start(&self, starts: Vec<Start>) -> Result<Vec<Started>, Error> {
        self.take_time().await;
        self.tables().start(&starts)
    }

    async fn transact(&self, claim: Claim, decide: Decide<'_>) -> Result<(), Error> {
        change::transact(self, claim, decide).await
    }

    async fn postpone(&self, wakes: &[Postpone]) -> Result<(), Error> {
        self.tables().postpone(&self.0.locks, wakes);
        Ok(())
    }

    async fn sideline(&self, sideline: &Sideline) -> Result<(), Error> {
        keep::sideline(self, sideline).await
    }

    async fn get(&self, ids: &[SagaId]) -> Result<Vec<Row>, Error> {
        Ok(self.tables().get(ids))
    }

    async fn find(&self, definition: &str, key: &str) -> Result<Option<Row>, Error> {
        Ok(self.tables().find(definition, key))
    }

    async fn list(&self, filter: &Filter, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        Ok(self.tables().list(filter, page))
    }

    async fn unended(&self, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        Ok(self.tables().unended(page))
    }

    async fn waking(&self, page: &Page<(Timestamp, SagaId)>) -> Result<Paged<Row>, Error> {
        Ok(self.tables().waking(page))
    }

    async fn journal(&self, id: SagaId, page: &Page<i64>) -> Result<Vec<JournalRow>, Error> {
        Ok(self.tables().journal(id, page))
    }

    async fn put_definitions(&self, definitions: &[DefinitionRow]) -> Result<(), Error> {
        let now = self.clock();
        self.tables().put_definitions(now, definitions);
        Ok(())
    }

    async fn definitions(&self, hashes: &[String]) -> Result<Vec<DefinitionRow>, Error> {
        Ok(self.tables().definitions(hashes))
    }

    async fn versions(&self, which: &Versions) -> Result<Vec<Version>, Error> {
        Ok(self.tables().versions(which))
    }

    async fn in_flight(&self) -> Result<Vec<InFlight>, Error> {
        Ok(self.tables().in_flight())
    }

    async fn park(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        let now = self.clock();
        self.tables().park(now, letters);
        Ok(())
    }

    async fn letters(
        &self,
        which: Letters,
        page: &Page<(Timestamp, Uuid)>,
    ) -> Result<Paged<DeadLetterRow>, Error> {
        Ok(self.tables().letters(which, page))
    }

    async fn letter(&self, id: Uuid) -> Result<Option<DeadLetterRow>, Error> {
        Ok(self.tables().letter(id))
    }

    async fn close_letter(&self, id: Uuid, closure: &Closure) -> Result<bool, Error> {
        let now = self.clock();
        Ok(self.tables().close_letter(now, id, closure))
    }

    /// There are no partitions.
    async fn maintain(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        Ok(self.clock())
    }
}
