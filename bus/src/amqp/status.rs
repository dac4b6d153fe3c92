//! How the bus is as a whole, put together from its two connections.

use std::sync::{Mutex, PoisonError};

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

/// Both connections' states, and the health that follows.
pub(super) struct Status {
    states: Mutex<States>,
    health: watch::Sender<Health>,
}

struct States {
    consuming: State,
    publishing: State,
    connections: u64,
}

impl Status {
    pub(super) fn new() -> Self {
        let reason = "not connected yet".to_owned();
        let down = State::Down(reason.clone());
        let states = States { consuming: down.clone(), publishing: down, connections: 0 };
        Self { states: Mutex::new(states), health: watch::Sender::new(Health::Down { reason }) }
    }

    pub(super) fn set(&self, purpose: Purpose, state: State) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let was_down = states.is_down();
        match purpose {
            Purpose::Consuming => states.consuming = state,
            Purpose::Publishing => states.publishing = state,
        }
        if was_down && !states.is_down() {
            states.connections += 1;
        }
        // Sent under the lock, so that health never goes back in time.
        let health = states.health();
        self.health.send_if_modified(|last| std::mem::replace(last, health.clone()) != health);
    }

    pub(super) fn watch(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Why nothing can be published now.
    pub(super) fn refusal(&self) -> Option<String> {
        match &*self.health.borrow() {
            Health::Up { .. } => None,
            Health::Blocked { reason } => Some(format!("blocked by the broker: {reason}")),
            Health::Down { reason } => Some(reason.clone()),
        }
    }
}

impl States {
    fn is_down(&self) -> bool {
        matches!(self.consuming, State::Down(_)) || matches!(self.publishing, State::Down(_))
    }

    fn health(&self) -> Health {
        match (&self.consuming, &self.publishing) {
            (State::Down(reason), _) | (_, State::Down(reason)) => {
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
    }
}
