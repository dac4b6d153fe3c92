//! One queue: what waits in it, in which order, and how much. Pure.

use std::collections::{BTreeMap, VecDeque};

use saga_protocol::{
    HeaderValue, Message,
    topology::{self, Argument},
};

use super::limits::{QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX};

/// A message in a queue.
pub(super) struct Entry {
    /// Its place in the queue. What comes back goes where it was: before all that came later.
    pub(super) place: u64,
    /// Where it was published to.
    pub(super) exchange: &'static str,
    pub(super) routing_key: String,
    pub(super) message: Message,
    /// How often it was delivered and came back.
    pub(super) delivery_count: u64,
}

impl Entry {
    fn bytes(&self) -> usize {
        let header = |(name, value): (&String, &HeaderValue)| match value {
            HeaderValue::Text(text) => name.len() + text.len(),
            HeaderValue::Number(_) => name.len() + size_of::<i64>(),
        };
        let headers: usize = self.message.headers.iter().map(header).sum();
        self.message.body.len() + headers
    }
}

/// A queue and who consumes from it. What is delivered and not settled is with the subscription.
pub(super) struct Queue {
    ready: BTreeMap<u64, Entry>,
    /// Dead, with no queue that takes them in. They are kept here, at-least-once.
    dying: VecDeque<Entry>,
    /// Of all that is in both.
    bytes: usize,
    messages_max: usize,
    /// Where its dead go; without it they are gone.
    pub(super) dead_letter_exchange: Option<&'static str>,
    /// How often a message may come back.
    pub(super) delivery_limit: Option<u64>,
    /// Its subscriptions; whoever is first gets the next message.
    pub(super) turns: VecDeque<u64>,
}

impl Queue {
    /// A queue with the arguments that mean something here. All are durable, and refuse when full.
    pub(super) fn new(queue: &topology::Queue) -> Self {
        let argument = |wanted: &str| {
            let found = queue.arguments.iter().find(|(name, _)| *name == wanted);
            found.map(|(_, value)| value)
        };
        let dead_letter_exchange = match argument("x-dead-letter-exchange") {
            Some(&Argument::Text(exchange)) => Some(exchange),
            _ => None,
        };
        let delivery_limit = match argument("x-delivery-limit") {
            Some(&Argument::Number(limit)) => u64::try_from(limit).ok(),
            _ => None,
        };
        Self {
            ready: BTreeMap::new(),
            dying: VecDeque::new(),
            bytes: 0,
            messages_max: QUEUE_MESSAGES_MAX,
            dead_letter_exchange,
            delivery_limit,
            turns: VecDeque::new(),
        }
    }

    /// Whether it refuses what is published.
    pub(super) fn is_full(&self) -> bool {
        self.ready.len() + self.dying.len() >= self.messages_max || self.bytes >= QUEUE_BYTES_MAX
    }

    /// Has it refuse sooner.
    pub(super) fn limit(&mut self, messages_max: usize) {
        self.messages_max = messages_max.min(QUEUE_MESSAGES_MAX);
    }

    pub(super) fn depth(&self) -> u64 {
        u64::try_from(self.ready.len()).unwrap_or(u64::MAX)
    }

    /// Puts a message at its place.
    pub(super) fn put(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.ready.insert(entry.place, entry);
    }

    /// Takes the first.
    pub(super) fn take(&mut self) -> Option<Entry> {
        let (_, entry) = self.ready.pop_first()?;
        self.bytes -= entry.bytes();
        Some(entry)
    }

    /// Forgets what waits. What is delivered stays.
    pub(super) fn purge(&mut self) {
        self.bytes -= self.ready.values().map(Entry::bytes).sum::<usize>();
        self.ready.clear();
    }

    /// Keeps a dead message that nobody takes in.
    pub(super) fn keep_dying(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.dying.push_back(entry);
    }

    pub(super) fn take_dying(&mut self) -> VecDeque<Entry> {
        self.bytes -= self.dying.iter().map(Entry::bytes).sum::<usize>();
        std::mem::take(&mut self.dying)
    }

    pub(super) fn has_dying(&self) -> bool {
        !self.dying.is_empty()
    }
}
