//! Decorators that pass everything on, for variants to break one thing of.

use std::sync::Arc;

use async_trait::async_trait;
use saga_bus::{Bus, Consumer, Delivery, Health, Publication, Unpublished};
use saga_protocol::{ParticipantName, SagaId, Timestamp};
use saga_simulation::Wrap;
use saga_store::{
    Claim, Closure, DeadLetter, DeadLetterRow, Decide, DefinitionRow, Error, Filter, InFlight,
    JournalRow, Letters, Page, Paged, Postpone, Row, Sideline, Start, Started, Store, Version,
    Versions,
};
use tokio::sync::watch;
use uuid::Uuid;

/// What a variant of a store may do otherwise.
#[async_trait]
pub(crate) trait StoreVariant: Send + Sync + 'static {
    async fn start(&self, store: &dyn Store, starts: Vec<Start>) -> Result<Vec<Started>, Error> {
        store.start(starts).await
    }

    async fn transact(
        &self,
        store: &Arc<dyn Store>,
        claim: Claim,
        decide: Decide<'_>,
    ) -> Result<(), Error> {
        store.transact(claim, decide).await
    }

    async fn postpone(&self, store: &dyn Store, wakes: &[Postpone]) -> Result<(), Error> {
        store.postpone(wakes).await
    }

    async fn park(&self, store: &dyn Store, letters: &[DeadLetter]) -> Result<(), Error> {
        store.park(letters).await
    }
}

/// Puts a variant, made anew for each run, around a store.
pub(crate) fn store<V: StoreVariant>(
    make: impl Fn() -> V + Send + Sync + 'static,
) -> Wrap<dyn Store> {
    Arc::new(move |store| Arc::new(AroundStore { store, variant: make() }))
}

struct AroundStore<V> {
    store: Arc<dyn Store>,
    variant: V,
}

#[async_trait]
impl<V: StoreVariant> Store for AroundStore<V> {
    async fn start(&self, starts: Vec<Start>) -> Result<Vec<Started>, Error> {
        self.variant.start(&*self.store, starts).await
    }

    async fn transact(&self, claim: Claim, decide: Decide<'_>) -> Result<(), Error> {
        self.variant.transact(&self.store, claim, decide).await
    }

    async fn postpone(&self, wakes: &[Postpone]) -> Result<(), Error> {
        self.variant.postpone(&*self.store, wakes).await
    }

    async fn sideline(&self, sideline: &Sideline) -> Result<(), Error> {
        self.store.sideline(sideline).await
    }

    async fn get(&self, ids: &[SagaId]) -> Result<Vec<Row>, Error> {
        self.store.get(ids).await
    }

    async fn find(&self, definition: &str, key: &str) -> Result<Option<Row>, Error> {
        self.store.find(definition, key).await
    }

    async fn list(&self, filter: &Filter, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        self.store.list(filter, page).await
    }

    async fn unended(&self, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        self.store.unended(page).await
    }

    async fn waking(&self, page: &Page<(Timestamp, SagaId)>) -> Result<Paged<Row>, Error> {
        self.store.waking(page).await
    }

    async fn journal(&self, id: SagaId, page: &Page<i64>) -> Result<Vec<JournalRow>, Error> {
        self.store.journal(id, page).await
    }

    async fn put_definitions(&self, definitions: &[DefinitionRow]) -> Result<(), Error> {
        self.store.put_definitions(definitions).await
    }

    async fn definitions(&self, hashes: &[String]) -> Result<Vec<DefinitionRow>, Error> {
        self.store.definitions(hashes).await
    }

    async fn versions(&self, which: &Versions) -> Result<Vec<Version>, Error> {
        self.store.versions(which).await
    }

    async fn in_flight(&self) -> Result<Vec<InFlight>, Error> {
        self.store.in_flight().await
    }

    async fn park(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        self.variant.park(&*self.store, letters).await
    }

    async fn letters(
        &self,
        which: Letters,
        page: &Page<(Timestamp, Uuid)>,
    ) -> Result<Paged<DeadLetterRow>, Error> {
        self.store.letters(which, page).await
    }

    async fn letter(&self, id: Uuid) -> Result<Option<DeadLetterRow>, Error> {
        self.store.letter(id).await
    }

    async fn close_letter(&self, id: Uuid, closure: &Closure) -> Result<bool, Error> {
        self.store.close_letter(id, closure).await
    }

    async fn maintain(&self) -> Result<(), Error> {
        self.store.maintain().await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        self.store.now().await
    }
}

/// Hands out the deliveries of a bus as a variant does.
pub(crate) fn bus(receive: fn(Vec<Delivery>) -> Vec<Delivery>) -> Wrap<dyn Bus> {
    Arc::new(move |bus| Arc::new(AroundBus { bus, receive }))
}

struct AroundBus {
    bus: Arc<dyn Bus>,
    receive: fn(Vec<Delivery>) -> Vec<Delivery>,
}

#[async_trait]
impl Bus for AroundBus {
    async fn publish(&self, batch: Vec<Publication>) -> Vec<Result<(), Unpublished>> {
        self.bus.publish(batch).await
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Box<dyn Consumer> {
        let consumer = self.bus.consume(queue, prefetch).await;
        Box::new(AroundConsumer { consumer, receive: self.receive })
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.bus.health()
    }

    async fn depth(&self, queue: &str) -> Option<u64> {
        self.bus.depth(queue).await
    }

    async fn declare(&self, participants: &[ParticipantName]) {
        self.bus.declare(participants).await;
    }

    fn take_created(&self) -> Vec<ParticipantName> {
        self.bus.take_created()
    }

    async fn close(&self) {
        self.bus.close().await;
    }
}

struct AroundConsumer {
    consumer: Box<dyn Consumer>,
    receive: fn(Vec<Delivery>) -> Vec<Delivery>,
}

#[async_trait]
impl Consumer for AroundConsumer {
    async fn receive(&mut self, max: usize) -> Option<Vec<Delivery>> {
        self.consumer.receive(max).await.map(self.receive)
    }
}
