//! One endpoint's connection: whether it stands, and what its user is told of it.

use std::collections::BTreeSet;

use saga_protocol::ParticipantName;
use tokio::{runtime::Handle, sync::watch, task::AbortHandle};

use crate::{Health, Role};

/// How a connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Broken, for this reason. Comes back by itself once the broker is there.
    Down(String),
    /// Connected, but a participant's own queue is missing: this one.
    Waiting(String),
    /// It stands.
    Up,
    /// Held away from the broker until it is let back.
    Unplugged,
    /// Ended for good.
    Closed,
}

/// One user of the broker.
pub(super) struct Endpoint {
    pub(super) role: Role,
    /// The participants whose command queues are declared after each reconnect.
    pub(super) participants: BTreeSet<ParticipantName>,
    pub(super) created: BTreeSet<ParticipantName>,
    link: Link,
    connections: u64,
    health: watch::Sender<Health>,
    /// Where what it does later runs.
    pub(super) runtime: Handle,
    /// What it does next, at a time.
    later: Option<AbortHandle>,
}

impl Endpoint {
    pub(super) fn new(role: Role, runtime: Handle) -> Self {
        let reason = "not connected yet".to_owned();
        Self {
            role,
            participants: BTreeSet::new(),
            created: BTreeSet::new(),
            link: Link::Down(reason.clone()),
            connections: 0,
            health: watch::Sender::new(Health::Down { reason }),
            runtime,
            later: None,
        }
    }

    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// Changes the connection. What was to be done later is no longer.
    pub(super) fn set(&mut self, link: Link, alarm: Option<&str>) {
        self.later.take().iter().for_each(AbortHandle::abort);
        if link == Link::Up && self.link != Link::Up {
            self.connections += 1;
        }
        self.link = link;
        self.show(alarm);
    }

    /// Notes what is done later, in place of what was.
    pub(super) fn set_later(&mut self, task: AbortHandle) {
        self.later.replace(task).iter().for_each(AbortHandle::abort);
    }

    /// Tells the user how things are, where that has changed.
    pub(super) fn show(&self, alarm: Option<&str>) {
        let health = match (&self.link, alarm) {
            (Link::Up, None) => Health::Up { connections: self.connections },
            (Link::Up, Some(reason)) => Health::Blocked { reason: reason.to_owned() },
            (Link::Down(reason), _) => Health::Down { reason: reason.clone() },
            (Link::Waiting(queue), _) => {
                Health::Down { reason: format!("no orchestrator has declared `{queue}` yet") }
            }
            (Link::Unplugged, _) => Health::Down { reason: "cut off from the broker".to_owned() },
            (Link::Closed, _) => Health::Down { reason: "closed".to_owned() },
        };
        self.health.send_if_modified(|last| std::mem::replace(last, health.clone()) != health);
    }

    pub(super) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Why nothing can be published now.
    pub(super) fn refusal(&self) -> Option<String> {
        self.health.borrow().refusal()
    }

    pub(super) fn note_created(&mut self, created: Vec<ParticipantName>) {
        if !created.is_empty() {
            let names = created.iter().map(ParticipantName::as_str).collect::<Vec<_>>().join(", ");
            tracing::info!(bus.participants = names, "created command queues");
            self.created.extend(created);
        }
    }
}
