//! The life of a process: it runs, is stopped, or is dead. What a dead process began never ends,
//! and what a stopped one waits for comes once it goes on.

use std::sync::Mutex;

use tokio::sync::Notify;

use crate::held;

/// How a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// As by SIGSTOP.
    Stopped,
    /// As by SIGKILL.
    Dead,
}

/// The life of one process. No `watch` channel: that wakes in an order of its own chance.
pub(crate) struct Life {
    state: Mutex<State>,
    turned: Notify,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State::Running), turned: Notify::new() }
    }

    pub(crate) fn kill(&self) {
        self.turn(|_| State::Dead);
    }

    pub(crate) fn stop(&self) {
        self.turn(|state| if state == State::Running { State::Stopped } else { state });
    }

    pub(crate) fn go_on(&self) {
        self.turn(|state| if state == State::Stopped { State::Running } else { state });
    }

    fn turn(&self, to: impl FnOnce(State) -> State) {
        let mut state = held(&self.state);
        *state = to(*state);
        drop(state);
        self.turned.notify_waiters();
    }

    fn is(&self, wanted: State) -> bool {
        *held(&self.state) == wanted
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is(State::Dead)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.is(State::Running)
    }

    async fn until(&self, wanted: State) {
        while !self.is(wanted) {
            // Nobody else runs between the look and this.
            self.turned.notified().await;
        }
    }

    /// Resolves once it is dead.
    pub(crate) async fn died(&self) {
        self.until(State::Dead).await;
    }

    /// Resolves while it runs; never once it is dead.
    pub(crate) async fn running(&self) {
        self.until(State::Running).await;
    }

    /// What a process asks of another: heard while it runs, cut off when it dies, and the answer is
    /// heard while it runs.
    pub(crate) async fn call<T>(&self, asked: impl Future<Output = T>) -> T {
        self.running().await;
        let answer = tokio::select! {
            biased;
            () = self.died() => std::future::pending().await,
            answer = asked => answer,
        };
        self.running().await;
        answer
    }
}
