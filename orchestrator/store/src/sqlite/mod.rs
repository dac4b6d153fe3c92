//! The store in a file of SQLite, for one process and with no server. In reading order: opening a
//! file, the transaction helper, what errors mean; then starting, changing, keeping, reading,
//! lists, versions, letters.
//!
//! It promises what the one on Postgres promises. As no other process uses the file, sagas are
//! locked in memory; there is one connection that writes, and what it confirmed is on the disk.

mod change;
mod clock;
mod error;
mod keep;
mod letters;
mod list;
mod open;
mod read;
mod rows;
mod start;
mod transaction;
mod versions;

use std::sync::Arc;

use async_trait::async_trait;
use saga_protocol::{SagaId, Timestamp};
use sqlx::SqlitePool;
use uuid::Uuid;

pub use self::open::Unusable;
use self::{clock::Clock, transaction::Writer};
use crate::{
    Claim, Closure, DeadLetter, DeadLetterRow, Decide, DefinitionRow, Error, Filter, InFlight,
    JournalRow, Letters, Page, Paged, Postpone, Row, Sideline, Start, Started, Store, Version,
    Versions, locks::Locks,
};

/// A store in a file. Its clones are the same store; the file is for it alone.
#[derive(Clone)]
pub struct Sqlite {
    /// One connection: SQLite has one writer at a time, and who waits for it waits here.
    writer: Writer,
    readers: SqlitePool,
    locks: Locks,
    clock: Arc<Clock>,
}

impl Sqlite {
    /// Closes all connections; what is asked afterwards fails.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.pool.close().await;
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn start(&self, starts: Vec<Start>) -> Result<Vec<Started>, Error> {
        start::start(self, &starts).await
    }

    async fn transact(&self, claim: Claim, decide: Decide<'_>) -> Result<(), Error> {
        change::transact(self, claim, decide).await
    }

    async fn postpone(&self, wakes: &[Postpone]) -> Result<(), Error> {
        keep::postpone(self, wakes).await
    }

    async fn sideline(&self, sideline: &Sideline) -> Result<(), Error> {
        keep::sideline(self, sideline).await
    }

    async fn get(&self, ids: &[SagaId]) -> Result<Vec<Row>, Error> {
        read::get(&self.readers, ids).await
    }

    async fn find(&self, definition: &str, key: &str) -> Result<Option<Row>, Error> {
        read::find(&self.readers, definition, key).await
    }

    async fn list(&self, filter: &Filter, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        list::list(&self.readers, filter, page).await
    }

    async fn unended(&self, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        list::unended(&self.readers, page).await
    }

    async fn waking(&self, page: &Page<(Timestamp, SagaId)>) -> Result<Paged<Row>, Error> {
        list::waking(&self.readers, page).await
    }

    async fn journal(&self, id: SagaId, page: &Page<i64>) -> Result<Vec<JournalRow>, Error> {
        read::journal(&self.readers, id, page).await
    }

    async fn put_definitions(&self, definitions: &[DefinitionRow]) -> Result<(), Error> {
        keep::put_definitions(self, definitions).await
    }

    async fn definitions(&self, hashes: &[String]) -> Result<Vec<DefinitionRow>, Error> {
        read::definitions(&self.readers, hashes).await
    }

    async fn versions(&self, which: &Versions) -> Result<Vec<Version>, Error> {
        versions::versions(&self.readers, which).await
    }

    async fn in_flight(&self) -> Result<Vec<InFlight>, Error> {
        versions::in_flight(&self.readers).await
    }

    async fn park(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        letters::park(self, letters).await
    }

    async fn letters(
        &self,
        which: Letters,
        page: &Page<(Timestamp, Uuid)>,
    ) -> Result<Paged<DeadLetterRow>, Error> {
        letters::list(&self.readers, which, page).await
    }

    async fn letter(&self, id: Uuid) -> Result<Option<DeadLetterRow>, Error> {
        letters::get(&self.readers, id).await
    }

    async fn close_letter(&self, id: Uuid, closure: &Closure) -> Result<bool, Error> {
        letters::close(self, id, closure).await
    }

    /// There are no partitions.
    async fn maintain(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        transaction::writable(&self.writer).await?;
        Ok(self.clock.now())
    }
}
