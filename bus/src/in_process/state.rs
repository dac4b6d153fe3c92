//! The broker with its connections: who comes, who goes, and who declares what then.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use saga_protocol::{ParticipantName, topology};
use tokio::{runtime::Handle, sync::watch};

use super::{
    endpoint::{Endpoint, Link},
    form,
    limits::RECONNECT_AFTER,
    queues::Queues,
    subscription::Subscription,
};
use crate::{Health, Publication, Role, Unpublished, role::ORCHESTRATOR_FIRST};

/// What all endpoints share. Nothing is awaited with the lock held.
pub(super) struct Shared {
    state: Mutex<State>,
}

impl Shared {
    pub(super) fn new(me: Weak<Self>) -> Self {
        let state = State {
            me,
            queues: Queues::default(),
            endpoints: BTreeMap::new(),
            last: 0,
            is_down: false,
            alarm: None,
        };
        Self { state: Mutex::new(state) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing here panics with the lock held; if it did, the data would still be whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything there is.
pub(super) struct State {
    /// For what is done later.
    me: Weak<Shared>,
    pub(super) queues: Queues,
    endpoints: BTreeMap<u64, Endpoint>,
    /// The last endpoint's number.
    last: u64,
    is_down: bool,
    /// Why nothing is taken now.
    alarm: Option<String>,
}

/// What endpoints do.
impl State {
    pub(super) fn connect(
        &mut self,
        role: Role,
        runtime: Handle,
    ) -> (u64, watch::Receiver<Health>) {
        self.last += 1;
        let endpoint = Endpoint::new(role, runtime);
        let health = endpoint.watch();
        self.endpoints.insert(self.last, endpoint);
        if self.is_down {
            self.set(self.last, Link::Down("the broker is down".to_owned()));
        }
        self.arrive(self.last, Patience::Left);
        (self.last, health)
    }

    pub(super) fn publish(
        &mut self,
        id: u64,
        batch: Vec<Publication>,
    ) -> Vec<Result<(), Unpublished>> {
        let refusal = match self.endpoints.get(&id) {
            Some(endpoint) => endpoint.refusal(),
            None => Some("closed".to_owned()),
        };
        if let Some(reason) = refusal {
            return batch.iter().map(|_| Err(Unpublished::Down(reason.clone()))).collect();
        }
        let publish = |publication: Publication| {
            let (exchange, key) = (publication.exchange, publication.routing_key.clone());
            self.queues.publish(exchange, key, form::carried(publication)?)
        };
        batch.into_iter().map(publish).collect()
    }

    pub(super) fn subscribe(&mut self, id: u64, subscription: Subscription) -> Option<u64> {
        let endpoint = self.endpoints.get(&id)?;
        let link = endpoint.link().clone();
        if link == Link::Closed {
            return None;
        }
        let is_there = self.queues.depth(&subscription.queue).is_some();
        let subscribed = self.queues.subscribe(subscription);
        match link {
            Link::Up if is_there => self.queues.attach(id),
            // As with AMQP: on a new connection it is declared anew.
            Link::Up => self.cut([id], "there is no such queue to consume from"),
            Link::Down(_) | Link::Waiting(_) | Link::Unplugged | Link::Closed => {}
        }
        Some(subscribed)
    }

    /// How many messages wait in a queue, as this endpoint can tell.
    pub(super) fn depth(&self, id: u64, queue: &str) -> Option<u64> {
        let is_up = *self.endpoints.get(&id)?.link() == Link::Up;
        is_up.then(|| self.queues.depth(queue)).flatten()
    }

    pub(super) fn declare(&mut self, id: u64, participants: &[ParticipantName]) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else { return };
        endpoint.participants.extend(participants.iter().cloned());
        // A connection that begins later declares them itself.
        if *endpoint.link() == Link::Up {
            self.create(id, &participants.iter().cloned().collect());
            self.admit();
        }
    }

    pub(super) fn take_created(&mut self, id: u64) -> Vec<ParticipantName> {
        let endpoint = self.endpoints.get_mut(&id);
        endpoint.map(|e| std::mem::take(&mut e.created)).into_iter().flatten().collect()
    }

    /// Ends an endpoint: what it has not settled goes back.
    pub(super) fn close(&mut self, id: u64) {
        self.set(id, Link::Closed);
        self.queues.unsubscribe_all(id);
    }

    /// Forgets an endpoint that nobody holds any more.
    pub(super) fn forget(&mut self, id: u64) {
        self.close(id);
        self.endpoints.remove(&id);
    }
}

/// Whether a participant still leaves it to the orchestrator to declare its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Left,
    Over,
}

/// How connections begin and end.
impl State {
    /// Makes a connection, where the broker is there and it is wanted. Like AMQP's, it declares
    /// everything anew before it is of use.
    fn arrive(&mut self, id: u64, patience: Patience) {
        let Some(endpoint) = self.endpoints.get(&id) else { return };
        let is_wanted = matches!(endpoint.link(), Link::Down(_) | Link::Waiting(_));
        if self.is_down || !is_wanted {
            return;
        }
        match endpoint.role.clone() {
            Role::Server => {
                self.queues.declare_exchanges();
                for queue in topology::common_queues() {
                    self.queues.create(&queue);
                }
            }
            Role::Participant(own) => {
                let queue = topology::participant_queue(&own);
                let is_missing = self.queues.depth(&queue.name).is_none();
                match patience {
                    Patience::Left if is_missing => {
                        self.set(id, Link::Waiting(queue.name));
                        return self.later(id, ORCHESTRATOR_FIRST, Patience::Over);
                    }
                    Patience::Over if is_missing => {
                        self.queues.declare_exchanges();
                        self.queues.create(&queue);
                    }
                    Patience::Left | Patience::Over => {}
                }
            }
        }
        let participants = self.endpoints.get(&id).map(|endpoint| endpoint.participants.clone());
        self.create(id, &participants.unwrap_or_default());
        self.set(id, Link::Up);
        self.queues.attach(id);
        self.admit();
    }

    /// Declares the command queues of these participants, and notes for whom one was missing.
    fn create(&mut self, id: u64, participants: &BTreeSet<ParticipantName>) {
        let mut created = participants.iter().cloned().collect::<Vec<_>>();
        created.retain(|own| self.queues.create(&topology::participant_queue(own)));
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            endpoint.note_created(created);
        }
    }

    /// Lets in the participants whose queue is there now.
    fn admit(&mut self) {
        let can = |endpoint: &Endpoint| match endpoint.link() {
            Link::Waiting(queue) => self.queues.depth(queue).is_some(),
            Link::Down(_) | Link::Up | Link::Unplugged | Link::Closed => false,
        };
        let admitted: Vec<_> =
            self.endpoints.iter().filter(|(_, e)| can(e)).map(|(&id, _)| id).collect();
        admitted.into_iter().for_each(|id| self.arrive(id, Patience::Left));
    }

    /// Breaks connections: what is not settled goes back, and they are made anew a little later.
    pub(super) fn cut(&mut self, ids: impl IntoIterator<Item = u64>, reason: &str) {
        let mut cut = BTreeSet::new();
        for id in ids {
            let link = self.endpoints.get(&id).map(Endpoint::link);
            if matches!(link, Some(Link::Up | Link::Waiting(_) | Link::Down(_))) {
                self.set(id, Link::Down(reason.to_owned()));
                cut.insert(id);
            }
        }
        self.queues.detach(&cut);
        if !self.is_down {
            cut.into_iter().for_each(|id| self.later(id, RECONNECT_AFTER, Patience::Left));
        }
    }

    /// Breaks a connection and lets no other be made.
    pub(super) fn unplug(&mut self, id: u64) {
        if self.endpoints.get(&id).is_some_and(|e| *e.link() != Link::Closed) {
            self.set(id, Link::Unplugged);
            self.queues.detach(&BTreeSet::from([id]));
        }
    }

    pub(super) fn plug(&mut self, id: u64) {
        if self.endpoints.get(&id).is_some_and(|e| *e.link() == Link::Unplugged) {
            self.set(id, Link::Down("the broker is down".to_owned()));
            if !self.is_down {
                self.later(id, RECONNECT_AFTER, Patience::Left);
            }
        }
    }

    fn set(&mut self, id: u64, link: Link) {
        if let Some(endpoint) = self.endpoints.get_mut(&id) {
            endpoint.set(link, self.alarm.as_deref());
        }
    }

    /// Connects after a while.
    fn later(&mut self, id: u64, after: Duration, patience: Patience) {
        let me = self.me.clone();
        let Some(endpoint) = self.endpoints.get_mut(&id) else { return };
        let task = endpoint.runtime.spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(shared) = me.upgrade() {
                shared.lock().arrive(id, patience);
            }
        });
        endpoint.set_later(task.abort_handle());
    }
}

/// What an operator does.
impl State {
    pub(super) fn delete_queue(&mut self, name: &str) {
        let consuming = self.queues.delete(name);
        self.cut(consuming, "the broker cancelled the subscription");
    }

    pub(super) fn down(&mut self) {
        self.is_down = true;
        let all: Vec<_> = self.endpoints.keys().copied().collect();
        self.cut(all, "the broker is down");
    }

    pub(super) fn up(&mut self) {
        self.is_down = false;
        let down = self.endpoints.iter().filter(|(_, e)| matches!(e.link(), Link::Down(_)));
        let ids: Vec<_> = down.map(|(&id, _)| id).collect();
        ids.into_iter().for_each(|id| self.later(id, RECONNECT_AFTER, Patience::Left));
    }

    pub(super) fn alarm(&mut self, reason: Option<String>) {
        self.alarm = reason;
        self.endpoints.values().for_each(|endpoint| endpoint.show(self.alarm.as_deref()));
    }
}
