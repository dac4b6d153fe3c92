//! The user's end of a subscription.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::{state::Shared, subscription::Arrival};
use crate::{Consumer, Delivery};

/// Receives from one subscription. Dropping it ends the subscription: what is not settled then is
/// delivered again.
pub(super) struct Subscriber {
    shared: Arc<Shared>,
    /// `None` where the bus was closed before.
    id: Option<u64>,
    arrived: Arc<Notify>,
}

impl Subscriber {
    pub(super) fn new(shared: Arc<Shared>, id: Option<u64>, arrived: Arc<Notify>) -> Self {
        Self { shared, id, arrived }
    }

    fn hand_out(&self, id: u64, (tag, message, delivery_count): Arrival) -> Delivery {
        let shared = Arc::clone(&self.shared);
        let settle = move |settlement| shared.lock().queues.settle(id, tag, settlement);
        Delivery { message, delivery_count, settle: Box::new(settle) }
    }
}

#[async_trait]
impl Consumer for Subscriber {
    async fn receive(&mut self, max: usize) -> Option<Vec<Delivery>> {
        let id = self.id?;
        loop {
            // Whoever never has to wait lets others run all the same.
            tokio::task::consume_budget().await;
            let arrivals = self.shared.lock().queues.receive(id, max.max(1))?;
            if !arrivals.is_empty() {
                return Some(arrivals.into_iter().map(|it| self.hand_out(id, it)).collect());
            }
            // Whatever arrives from here on has left a permit.
            self.arrived.notified().await;
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            self.shared.lock().queues.unsubscribe(id);
        }
    }
}
