//! One subscription as the broker sees it: what was delivered and is not settled.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::sync::Notify;

use super::queue::Entry;

/// A delivery for its receiver: its tag, and the message with its count.
pub(super) type Arrival = (u64, saga_protocol::Message, u64);

/// A subscription to a queue, which need not exist.
pub(super) struct Subscription {
    pub(super) endpoint: u64,
    pub(super) queue: String,
    prefetch: usize,
    /// Whether its connection stands.
    pub(super) is_live: bool,
    /// By tag. Tags are never used twice, so that what is settled too late settles nothing else.
    unsettled: BTreeMap<u64, Entry>,
    /// Of those, the ones that nobody has received.
    arrived: VecDeque<u64>,
    /// Wakes the receiver.
    pub(super) wake: Arc<Notify>,
}

impl Subscription {
    pub(super) fn new(endpoint: u64, queue: &str, prefetch: u16, wake: Arc<Notify>) -> Self {
        Self {
            endpoint,
            queue: queue.to_owned(),
            prefetch: prefetch.max(1).into(),
            is_live: false,
            unsettled: BTreeMap::new(),
            arrived: VecDeque::new(),
            wake,
        }
    }

    pub(super) fn has_room(&self) -> bool {
        self.unsettled.len() < self.prefetch
    }

    /// Delivers.
    pub(super) fn push(&mut self, tag: u64, entry: Entry) {
        self.unsettled.insert(tag, entry);
        self.arrived.push_back(tag);
        self.wake.notify_one();
    }

    /// What has arrived, at most so many.
    pub(super) fn receive(&mut self, max: usize) -> Vec<Arrival> {
        let count = self.arrived.len().min(max);
        let arrival = |tag| {
            let entry = self.unsettled.get(&tag)?;
            Some((tag, entry.message.clone(), entry.delivery_count))
        };
        self.arrived.drain(..count).filter_map(arrival).collect()
    }

    /// Ends one delivery. `None` where it has ended before.
    pub(super) fn settle(&mut self, tag: u64) -> Option<Entry> {
        self.unsettled.remove(&tag)
    }

    /// Ends all of them: what comes back, in the order in which it was delivered.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Entry> + use<> {
        self.arrived.clear();
        std::mem::take(&mut self.unsettled).into_values()
    }
}
