//! What an operator does to a broker, and what happens to its connections: for tests and
//! simulations. All of it happens within the call, but for reconnects, which take a moment of
//! Tokio's clock.

use super::{Broker, InProcess};

/// What `rabbitmqctl` does.
impl Broker {
    /// Deletes a queue with all that is in it, as `delete_queue` does. Endpoints that consume from
    /// it lose their connection over it; who of them is an orchestrator declares it anew. The
    /// others learn of it when something they publish is returned.
    pub fn delete_queue(&self, name: &str) {
        self.shared.lock().delete_queue(name);
    }

    /// Forgets what waits in a queue, as `purge_queue` does. What is delivered stays.
    pub fn purge(&self, name: &str) {
        self.shared.lock().queues.purge(name);
    }

    /// Has a queue refuse once so many messages wait in it, as `set_policy` does with `max-length`.
    /// Ends with the queue.
    pub fn limit(&self, name: &str, messages_max: usize) {
        self.shared.lock().queues.limit(name, messages_max);
    }

    /// Restarts, as `stop_app` and `start_app` do: all connections break and come back, what is not
    /// settled is delivered again, and no message is lost.
    pub fn restart(&self) {
        let mut state = self.shared.lock();
        state.down();
        state.up();
    }

    /// Stops, as `stop_app` does. Messages stay.
    pub fn down(&self) {
        self.shared.lock().down();
    }

    /// Starts again, as `start_app` does: endpoints come back by themselves.
    pub fn up(&self) {
        self.shared.lock().up();
    }

    /// Raises an alarm, as `set_vm_memory_high_watermark` can: nothing is taken until
    /// [`Broker::unblock`]. Delivering and settling go on.
    pub fn block(&self, reason: &str) {
        self.shared.lock().alarm(Some(reason.to_owned()));
    }

    /// Ends the alarm.
    pub fn unblock(&self) {
        self.shared.lock().alarm(None);
    }
}

/// What happens to one connection.
impl InProcess {
    /// Breaks it, as `close_connection` does. It comes back by itself.
    pub fn cut(&self) {
        self.shared.lock().cut([self.id], "the connection was cut");
    }

    /// Breaks it, and keeps the broker out of reach until [`InProcess::plug`]. What is not settled
    /// goes to others; what is settled from now on is not heard.
    pub fn unplug(&self) {
        self.shared.lock().unplug(self.id);
    }

    /// Brings the broker into reach again.
    pub fn plug(&self) {
        self.shared.lock().plug(self.id);
    }
}
