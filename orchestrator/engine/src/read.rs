//! Reading: one saga, lists, the journal, and how the engine is.

use std::{collections::BTreeSet, time::Duration};

use saga_protocol::{SagaId, Timestamp, limits};
use saga_store::{Filter, JournalRow, Page, Paged, Row};

use crate::{Engine, Snapshot, Unavailable};

/// How long the database may take to answer before it counts as away.
const HEALTH_MAX: Duration = Duration::from_secs(2);

/// How the engine is.
#[derive(Clone, Debug)]
pub struct Health {
    /// What is wrong with the database.
    pub database: Result<(), String>,
    /// What is wrong with the broker.
    pub broker: Result<(), String>,
}

impl Health {
    /// Whether sagas can be started and moved.
    pub fn is_ready(&self) -> bool {
        self.database.is_ok() && self.broker.is_ok()
    }
}

impl Engine {
    /// The saga with this id.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn get(&self, id: SagaId) -> Result<Option<Snapshot>, Unavailable> {
        let rows = self.0.store.get(&[id]).await?;
        Ok(self.snapshots(rows).await?.pop())
    }

    /// The newest saga of a definition with this business key.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn find(&self, definition: &str, key: &str) -> Result<Option<Snapshot>, Unavailable> {
        let row = self.0.store.find(definition, key).await?;
        Ok(self.snapshots(row.into_iter().collect()).await?.pop())
    }

    /// One page of sagas, newest first, at most [`limits::PAGE_MAX`].
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn list(
        &self,
        filter: &Filter,
        page: &Page<SagaId>,
    ) -> Result<Paged<Snapshot>, Unavailable> {
        let page = Page { after: page.after, limit: page.limit.min(limits::PAGE_MAX) };
        let Paged { items, more } = self.0.store.list(filter, &page).await?;
        Ok(Paged { items: self.snapshots(items).await?, more })
    }

    /// One page of sagas that somebody will look at, in the order of when, at most
    /// [`limits::PAGE_MAX`]. Sagas move while it is read: one may be on two pages or on none.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn waking(
        &self,
        page: &Page<(Timestamp, SagaId)>,
    ) -> Result<Paged<Snapshot>, Unavailable> {
        let page = Page { after: page.after, limit: page.limit.min(limits::PAGE_MAX) };
        let Paged { items, more } = self.0.store.waking(&page).await?;
        Ok(Paged { items: self.snapshots(items).await?, more })
    }

    /// One page of a saga's journal, oldest first, at most [`limits::PAGE_MAX`].
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn journal(
        &self,
        id: SagaId,
        page: &Page<i64>,
    ) -> Result<Vec<JournalRow>, Unavailable> {
        let page = Page { after: page.after, limit: page.limit.min(limits::PAGE_MAX) };
        Ok(self.0.store.journal(id, &page).await?)
    }

    /// How the engine is now.
    pub async fn health(&self) -> Health {
        let database = match tokio::time::timeout(HEALTH_MAX, self.0.store.now()).await {
            Ok(Ok(_)) if self.0.source.now().is_some() => Ok(()),
            Ok(Ok(_)) => Err("the database is being prepared".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the database did not answer within {HEALTH_MAX:?}")),
        };
        let broker = match &*self.0.bus.health().borrow() {
            saga_bus::Health::Up { .. } => Ok(()),
            saga_bus::Health::Blocked { reason } => {
                Err(format!("the broker takes no messages: {reason}"))
            }
            saga_bus::Health::Down { reason } => Err(format!("the broker is away: {reason}")),
        };
        Health { database, broker }
    }

    /// What rows mean, fetching versions that are not known here.
    pub(crate) async fn snapshots(&self, rows: Vec<Row>) -> Result<Vec<Snapshot>, Unavailable> {
        let hashes: BTreeSet<_> = rows.iter().map(|row| row.definition_hash.clone()).collect();
        self.learn(hashes).await?;
        Ok(rows.into_iter().map(|row| Snapshot::of(row, &self.0.definitions)).collect())
    }
}
