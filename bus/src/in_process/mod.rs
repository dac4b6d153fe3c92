//! The in-process bus: a broker that is an object, for orchestrator and participants in one
//! process, and for simulations. It promises what the AMQP adapter promises on a RabbitMQ; both
//! pass one suite.
//!
//! Deterministic: no threads of its own, no wall clock, no chance. What takes time takes it of
//! Tokio's clock, which may be paused. Everything else happens within the call that causes it, so
//! that a message published is delivered when `publish` returns. Nothing is kept on disk: the
//! queues end with the process, as if a broker had lost them, which its users must survive anyway.

mod admin;
mod consumer;
mod endpoint;
mod exchange;
mod form;
mod limits;
mod queue;
mod queues;
mod state;
mod subscription;

use std::sync::Arc;

use async_trait::async_trait;
use saga_protocol::ParticipantName;
use tokio::{
    runtime::Handle,
    sync::{Notify, watch},
};

use self::{consumer::Subscriber, state::Shared, subscription::Subscription};
use crate::{Bus, Consumer, Health, Publication, Role, Unpublished};

/// The queues that endpoints share. Cloning it gives another handle to the same.
#[derive(Clone)]
pub struct Broker {
    shared: Arc<Shared>,
}

impl Broker {
    /// A broker with no queues: endpoints declare them.
    #[must_use]
    pub fn new() -> Self {
        Self { shared: Arc::new_cyclic(|me| Shared::new(me.clone())) }
    }

    /// Connects a user: one orchestrator or one replica of a participant.
    ///
    /// # Panics
    /// Outside of a Tokio runtime; reconnects run on it.
    #[must_use]
    pub fn connect(&self, role: Role) -> InProcess {
        let shared = Arc::clone(&self.shared);
        let (id, health) = shared.lock().connect(role, Handle::current());
        InProcess { shared, id, health }
    }
}

impl Default for Broker {
    fn default() -> Self {
        Self::new()
    }
}

/// A bus that is a [`Broker`] in this process. Works on by itself from [`Broker::connect`] to
/// [`Bus::close`], or until dropped.
pub struct InProcess {
    shared: Arc<Shared>,
    id: u64,
    health: watch::Receiver<Health>,
}

#[async_trait]
impl Bus for InProcess {
    async fn publish(&self, batch: Vec<Publication>) -> Vec<Result<(), Unpublished>> {
        // Whoever never has to wait lets others run all the same.
        tokio::task::consume_budget().await;
        self.shared.lock().publish(self.id, batch)
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Box<dyn Consumer> {
        let arrived = Arc::new(Notify::new());
        let subscription = Subscription::new(self.id, queue, prefetch, Arc::clone(&arrived));
        let id = self.shared.lock().subscribe(self.id, subscription);
        Box::new(Subscriber::new(Arc::clone(&self.shared), id, arrived))
    }

    fn health(&self) -> watch::Receiver<Health> {
        let mut health = self.health.clone();
        // A change is one that comes from here on.
        health.mark_unchanged();
        health
    }

    async fn depth(&self, queue: &str) -> Option<u64> {
        self.shared.lock().depth(self.id, queue)
    }

    async fn declare(&self, participants: &[ParticipantName]) {
        self.shared.lock().declare(self.id, participants);
    }

    fn take_created(&self) -> Vec<ParticipantName> {
        self.shared.lock().take_created(self.id)
    }

    async fn close(&self) {
        self.shared.lock().close(self.id);
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.shared.lock().forget(self.id);
    }
}
