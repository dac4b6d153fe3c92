//! The store, with its errors counted: whoever calls it need not think of that.

use std::sync::Arc;

use async_trait::async_trait;
use saga_protocol::{SagaId, Timestamp};
use saga_store::{
    Claim, Closure, DeadLetter, DeadLetterRow, Decide, DefinitionRow, Error, Filter, InFlight,
    JournalRow, Letters, Page, Paged, Postpone, Row, Sideline, Start, Started, Store, Version,
    Versions,
};
use uuid::Uuid;

use super::Metrics;

/// A store whose errors are counted.
pub(crate) struct Counted {
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
}

impl Counted {
    pub(crate) fn new(store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Self {
        Self { store, metrics }
    }

    fn seen<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.inspect_err(|error| self.metrics.store_failed(error))
    }
}

#[async_trait]
impl Store for Counted {
    async fn start(&self, starts: Vec<Start>) -> Result<Vec<Started>, Error> {
        self.seen(self.store.start(starts).await)
    }

    async fn transact(&self, claim: Claim, decide: Decide<'_>) -> Result<(), Error> {
        self.seen(self.store.transact(claim, decide).await)
    }

    async fn postpone(&self, wakes: &[Postpone]) -> Result<(), Error> {
        self.seen(self.store.postpone(wakes).await)
    }

    async fn sideline(&self, sideline: &Sideline) -> Result<(), Error> {
        self.seen(self.store.sideline(sideline).await)
    }

    async fn get(&self, ids: &[SagaId]) -> Result<Vec<Row>, Error> {
        self.seen(self.store.get(ids).await)
    }

    async fn find(&self, definition: &str, key: &str) -> Result<Option<Row>, Error> {
        self.seen(self.store.find(definition, key).await)
    }

    async fn list(&self, filter: &Filter, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        self.seen(self.store.list(filter, page).await)
    }

    async fn unended(&self, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        self.seen(self.store.unended(page).await)
    }

    async fn waking(&self, page: &Page<(Timestamp, SagaId)>) -> Result<Paged<Row>, Error> {
        self.seen(self.store.waking(page).await)
    }

    async fn journal(&self, id: SagaId, page: &Page<i64>) -> Result<Vec<JournalRow>, Error> {
        self.seen(self.store.journal(id, page).await)
    }

    async fn put_definitions(&self, definitions: &[DefinitionRow]) -> Result<(), Error> {
        self.seen(self.store.put_definitions(definitions).await)
    }

    async fn definitions(&self, hashes: &[String]) -> Result<Vec<DefinitionRow>, Error> {
        self.seen(self.store.definitions(hashes).await)
    }

    async fn versions(&self, which: &Versions) -> Result<Vec<Version>, Error> {
        self.seen(self.store.versions(which).await)
    }

    async fn in_flight(&self) -> Result<Vec<InFlight>, Error> {
        self.seen(self.store.in_flight().await)
    }

    async fn park(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        self.seen(self.store.park(letters).await)
    }

    async fn letters(
        &self,
        which: Letters,
        page: &Page<(Timestamp, Uuid)>,
    ) -> Result<Paged<DeadLetterRow>, Error> {
        self.seen(self.store.letters(which, page).await)
    }

    async fn letter(&self, id: Uuid) -> Result<Option<DeadLetterRow>, Error> {
        self.seen(self.store.letter(id).await)
    }

    async fn close_letter(&self, id: Uuid, closure: &Closure) -> Result<bool, Error> {
        self.seen(self.store.close_letter(id, closure).await)
    }

    async fn maintain(&self) -> Result<(), Error> {
        self.seen(self.store.maintain().await)
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        self.seen(self.store.now().await)
    }
}
