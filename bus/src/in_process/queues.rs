//! What a broker does with messages: routes them to queues, delivers them in turn, and buries the
//! dead. Knows nothing of connections, but for which subscriptions have one.

use std::collections::{BTreeMap, BTreeSet};

use saga_protocol::{Message, topology};

use super::{
    exchange::Exchanges,
    queue::{Entry, Queue},
    subscription::{Arrival, Subscription},
};
use crate::{Settlement, Unpublished};

/// Where a message died first and why, as RabbitMQ notes it.
const FIRST_QUEUE: &str = "x-first-death-queue";
const FIRST_REASON: &str = "x-first-death-reason";
const FIRST_EXCHANGE: &str = "x-first-death-exchange";

/// Exchanges, queues and subscriptions.
#[derive(Default)]
pub(super) struct Queues {
    exchanges: Exchanges,
    queues: BTreeMap<String, Queue>,
    subscriptions: BTreeMap<u64, Subscription>,
    /// The last number given to anything.
    last: u64,
}

impl Queues {
    pub(super) fn declare_exchanges(&mut self) {
        self.exchanges.declare();
    }

    /// Declares a queue and binds it. Whether it had to be created.
    pub(super) fn create(&mut self, wanted: &topology::Queue) -> bool {
        // Also when it exists: its binding may be lost.
        self.exchanges.bind(wanted);
        if self.queues.contains_key(&wanted.name) {
            return false;
        }
        let mut queue = Queue::new(wanted);
        let waiting = self.subscriptions.iter().filter(|(_, s)| s.is_live);
        queue.turns = waiting.filter(|(_, s)| s.queue == wanted.name).map(|(&id, _)| id).collect();
        self.queues.insert(wanted.name.clone(), queue);
        self.bury_again();
        true
    }

    pub(super) fn depth(&self, queue: &str) -> Option<u64> {
        self.queues.get(queue).map(Queue::depth)
    }

    pub(super) fn publish(
        &mut self,
        exchange: &'static str,
        routing_key: String,
        message: Message,
    ) -> Result<(), Unpublished> {
        let targets = self.targets(exchange, &routing_key);
        if targets.is_empty() {
            return Err(Unpublished::Returned(routing_key));
        }
        let entry = Entry { place: 0, exchange, routing_key, message, delivery_count: 0 };
        let is_full = |queue: &String| self.queues.get(queue).is_some_and(Queue::is_full);
        let (full, free): (Vec<_>, Vec<_>) = targets.into_iter().partition(is_full);
        self.enqueue(entry, free);
        // Queues that had room keep it, as with any broker.
        if full.is_empty() { Ok(()) } else { Err(Unpublished::Refused) }
    }

    /// The queues a message goes to. The exchange without a name leads to the queue of that name.
    fn targets(&self, exchange: &str, key: &str) -> Vec<String> {
        if exchange.is_empty() {
            let named = self.queues.get_key_value(key);
            return named.map(|(name, _)| name.clone()).into_iter().collect();
        }
        self.exchanges.route(exchange, key).into_iter().cloned().collect()
    }

    /// Puts a message at the end of each of these queues.
    fn enqueue(&mut self, entry: Entry, mut targets: Vec<String>) {
        let last = targets.pop();
        for name in targets {
            let message = entry.message.clone();
            let routing_key = entry.routing_key.clone();
            self.append(&name, Entry { message, routing_key, ..entry });
        }
        if let Some(name) = last {
            self.append(&name, entry);
        }
    }

    fn append(&mut self, name: &str, entry: Entry) {
        let place = self.number();
        if let Some(queue) = self.queues.get_mut(name) {
            queue.put(Entry { place, ..entry });
        }
        self.deliver(name);
    }

    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Delivers what waits in a queue, to one subscription after the other, for as long as any has
    /// room.
    fn deliver(&mut self, name: &str) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let was_full = queue.is_full();
        let mut without_room = 0;
        while without_room < queue.turns.len() && queue.depth() > 0 {
            queue.turns.rotate_left(1);
            let first = queue.turns.back().and_then(|id| self.subscriptions.get_mut(id));
            match first.filter(|subscription| subscription.has_room()) {
                None => without_room += 1,
                Some(subscription) => {
                    without_room = 0;
                    self.last += 1;
                    queue.take().into_iter().for_each(|entry| subscription.push(self.last, entry));
                }
            }
        }
        if was_full && !queue.is_full() {
            self.bury_again();
        }
    }

    /// Takes back what was delivered: to its place, or to the dead where it came back too often.
    fn take_back(&mut self, name: &str, mut entry: Entry) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        entry.delivery_count += 1;
        if queue.delivery_limit.is_some_and(|limit| entry.delivery_count > limit) {
            self.bury(name, entry, "delivery_limit");
        } else {
            queue.put(entry);
        }
    }

    /// Notes where and why a message died, and sends it to the dead. Without a dead-letter exchange
    /// it is gone.
    fn bury(&mut self, name: &str, mut entry: Entry, reason: &'static str) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        if queue.dead_letter_exchange.is_none() {
            return;
        }
        if !entry.message.headers.contains_key(FIRST_QUEUE) {
            entry.message.set(FIRST_QUEUE, name);
            entry.message.set(FIRST_REASON, reason);
            entry.message.set(FIRST_EXCHANGE, entry.exchange);
        }
        entry.delivery_count = 0;
        queue.keep_dying(entry);
        self.bury_from(name);
    }

    /// Sends a queue's dead to where they go. Those that no queue takes in stay: they are not lost.
    fn bury_from(&mut self, name: &str) {
        let Some(queue) = self.queues.get_mut(name) else { return };
        let Some(exchange) = queue.dead_letter_exchange else { return };
        for mut entry in queue.take_dying() {
            let targets = self.targets(exchange, &entry.routing_key);
            let is_full = |queue: &String| self.queues.get(queue).is_some_and(Queue::is_full);
            if !targets.is_empty() && !targets.iter().any(is_full) {
                entry.exchange = exchange;
                self.enqueue(entry, targets);
            } else if let Some(queue) = self.queues.get_mut(name) {
                queue.keep_dying(entry);
            }
        }
    }

    /// The same for all queues, after one was created or has room again.
    fn bury_again(&mut self) {
        let dying = self.queues.iter().filter(|(_, queue)| queue.has_dying());
        let names: Vec<_> = dying.map(|(name, _)| name.clone()).collect();
        names.iter().for_each(|name| self.bury_from(name));
    }
}

/// Subscriptions.
impl Queues {
    pub(super) fn subscribe(&mut self, subscription: Subscription) -> u64 {
        let id = self.number();
        self.subscriptions.insert(id, subscription);
        id
    }

    /// Begins to deliver to the subscriptions of an endpoint.
    pub(super) fn attach(&mut self, endpoint: u64) {
        let dead = self.subscriptions.iter_mut().filter(|(_, s)| !s.is_live);
        let mut names = BTreeSet::new();
        for (&id, subscription) in dead.filter(|(_, s)| s.endpoint == endpoint) {
            subscription.is_live = true;
            if let Some(queue) = self.queues.get_mut(&subscription.queue) {
                queue.turns.push_back(id);
                names.insert(subscription.queue.clone());
            }
        }
        names.iter().for_each(|name| self.deliver(name));
    }

    /// Takes back everything that these endpoints have not settled, and delivers nothing more to
    /// them.
    pub(super) fn detach(&mut self, endpoints: &BTreeSet<u64>) {
        let ids: Vec<_> = endpoints.iter().flat_map(|&endpoint| self.of(endpoint)).collect();
        self.end(&ids);
    }

    /// The same for good: whoever receives learns that it is over.
    pub(super) fn unsubscribe_all(&mut self, endpoint: u64) {
        let ids: Vec<_> = self.of(endpoint).collect();
        self.end(&ids);
        ids.iter().for_each(|id| self.remove(*id));
    }

    pub(super) fn unsubscribe(&mut self, id: u64) {
        self.end(&[id]);
        self.remove(id);
    }

    fn remove(&mut self, id: u64) {
        if let Some(subscription) = self.subscriptions.remove(&id) {
            subscription.wake.notify_one();
        }
    }

    fn of(&self, endpoint: u64) -> impl Iterator<Item = u64> {
        let own = move |(_, s): &(&u64, &Subscription)| s.endpoint == endpoint;
        self.subscriptions.iter().filter(own).map(|(&id, _)| id)
    }

    fn end(&mut self, ids: &[u64]) {
        let mut back = Vec::new();
        for id in ids {
            let Some(subscription) = self.subscriptions.get_mut(id) else { continue };
            subscription.is_live = false;
            let name = subscription.queue.clone();
            if let Some(queue) = self.queues.get_mut(&name) {
                queue.turns.retain(|turn| turn != id);
            }
            back.push((name, subscription.drain()));
        }
        // Only now: what one of them gives back must not go to another of them.
        let mut names = BTreeSet::new();
        for (name, entries) in back {
            entries.for_each(|entry| self.take_back(&name, entry));
            names.insert(name);
        }
        names.iter().for_each(|name| self.deliver(name));
    }

    /// What has arrived. `None` where the subscription has ended.
    pub(super) fn receive(&mut self, id: u64, max: usize) -> Option<Vec<Arrival>> {
        Some(self.subscriptions.get_mut(&id)?.receive(max))
    }

    /// Settles a delivery. One whose connection has ended is not heard.
    pub(super) fn settle(&mut self, id: u64, tag: u64, settlement: Settlement) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        let Some(entry) = subscription.settle(tag) else { return };
        let name = subscription.queue.clone();
        match settlement {
            Settlement::Acknowledge => drop(entry),
            Settlement::Requeue => self.take_back(&name, entry),
            Settlement::Reject => self.bury(&name, entry, "rejected"),
        }
        self.deliver(&name);
    }
}

/// What an operator does.
impl Queues {
    /// Deletes a queue with all that is in it. The endpoints that consume from it.
    pub(super) fn delete(&mut self, name: &str) -> BTreeSet<u64> {
        self.exchanges.unbind(name);
        let Some(queue) = self.queues.remove(name) else { return BTreeSet::new() };
        let subscriptions = queue.turns.iter().filter_map(|id| self.subscriptions.get(id));
        subscriptions.map(|subscription| subscription.endpoint).collect()
    }

    pub(super) fn purge(&mut self, name: &str) {
        if let Some(queue) = self.queues.get_mut(name) {
            queue.purge();
            self.bury_again();
        }
    }

    pub(super) fn limit(&mut self, name: &str, messages_max: usize) {
        if let Some(queue) = self.queues.get_mut(name) {
            queue.limit(messages_max);
            self.bury_again();
        }
    }
}
