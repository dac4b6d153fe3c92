//! How the bus is as a whole, put together from its two connections and those who use them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::Health;

/// What a connection is for. Publishing and consuming are apart because a broker in need blocks
/// connections that publish, with everything on them: acknowledgements must go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Consuming,
    Publishing,
}

impl Purpose {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Consuming => "consuming",
            Self::Publishing => "publishing",
        }
    }
}

/// How one connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Down(String),
    Up,
    Blocked(String),
}

/// Identifies a subscription of a bus.
pub(super) type SubscriptionId = u64;

/// Both connections' states, what subscriptions miss, and the health that follows.
pub(super) struct Status {
    states: Mutex<States>,
    health: watch::Sender<Health>,
}

struct States {
    consuming: State,
    publishing: State,
    /// Why subscriptions do not get what they subscribed to. Connections to a broker that does not
    /// let us consume come and go, and each looks well.
    missing: BTreeMap<SubscriptionId, String>,
    connections: u64,
}

impl Status {
    pub(super) fn new() -> Self {
        let reason = "not connected yet".to_owned();
        let down = State::Down(reason.clone());
        let states = States {
            consuming: down.clone(),
            publishing: down,
            missing: BTreeMap::new(),
            connections: 0,
        };
        Self { states: Mutex::new(states), health: watch::Sender::new(Health::Down { reason }) }
    }

    pub(super) fn set(&self, purpose: Purpose, state: State) {
        self.change(|states| match purpose {
            Purpose::Consuming => states.consuming = state,
            Purpose::Publishing => states.publishing = state,
        });
    }

    /// A subscription cannot consume, until [`Self::consumes`].
    pub(super) fn misses(&self, subscription: SubscriptionId, reason: String) {
        self.change(|states| {
            states.missing.insert(subscription, reason);
        });
    }

    /// A subscription consumes, or has ended.
    pub(super) fn consumes(&self, subscription: SubscriptionId) {
        self.change(|states| {
            states.missing.remove(&subscription);
        });
    }

    fn change(&self, change: impl FnOnce(&mut States)) {
        let mut states = self.states();
        let was_down = states.is_down();
        change(&mut states);
        if was_down && !states.is_down() {
            states.connections += 1;
        }
        // Sent under the lock, so that health never goes back in time.
        let health = states.health();
        self.health.send_if_modified(|last| std::mem::replace(last, health.clone()) != health);
    }

    fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Why nothing can be published now.
    pub(super) fn refusal(&self) -> Option<String> {
        self.health.borrow().refusal()
    }
}

impl States {
    fn is_down(&self) -> bool {
        let is_down = |state: &State| matches!(state, State::Down(_));
        is_down(&self.consuming) || is_down(&self.publishing) || !self.missing.is_empty()
    }

    fn health(&self) -> Health {
        match (&self.consuming, &self.publishing) {
            (State::Down(reason), _) | (_, State::Down(reason)) => {
                Health::Down { reason: reason.clone() }
            }
            _ if let Some(reason) = self.missing.values().next() => {
                Health::Down { reason: reason.clone() }
            }
            (State::Blocked(reason), _) | (_, State::Blocked(reason)) => {
                Health::Blocked { reason: reason.clone() }
            }
            (State::Up, State::Up) => Health::Up { connections: self.connections },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_takes_both_and_a_reconnect_is_counted() {
        let status = Status::new();
        let health = status.watch();
        let down = || State::Down("cut".to_owned());
        status.set(Purpose::Publishing, State::Up);
        assert!(matches!(&*health.borrow(), Health::Down { .. }));
        status.set(Purpose::Consuming, State::Up);
        assert_eq!(*health.borrow(), Health::Up { connections: 1 });
        status.set(Purpose::Publishing, State::Blocked("memory".to_owned()));
        assert_eq!(*health.borrow(), Health::Blocked { reason: "memory".to_owned() });
        assert!(status.refusal().expect("blocked").contains("memory"));
        status.set(Purpose::Publishing, State::Up);
        assert_eq!(*health.borrow(), Health::Up { connections: 1 });
        status.set(Purpose::Consuming, down());
        status.set(Purpose::Publishing, down());
        assert_eq!(*health.borrow(), Health::Down { reason: "cut".to_owned() });
        status.set(Purpose::Consuming, State::Up);
        status.set(Purpose::Publishing, State::Up);
        assert_eq!(
            (status.refusal(), *health.borrow() == Health::Up { connections: 2 }),
            (None, true)
        );
        // Whoever cannot consume is told of through all connections that come and go meanwhile.
        for reason in ["no queue", "still none"] {
            status.misses(7, reason.to_owned());
            status.set(Purpose::Consuming, down());
            status.set(Purpose::Consuming, State::Up);
            assert_eq!(*health.borrow(), Health::Down { reason: reason.to_owned() });
        }
        status.consumes(7);
        assert_eq!(*health.borrow(), Health::Up { connections: 3 });
    }
}
