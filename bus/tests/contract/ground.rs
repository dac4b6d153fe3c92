//! An adapter under test, and what an operator does to its broker.

use saga_bus::{Bus, Role};

use crate::support::{payment, up};

/// A broker with an adapter to it, for one test. Names of queues are the test's own.
pub(crate) trait Ground: Sized {
    /// Who its buses publish as.
    const USER: &str;

    async fn new() -> Self;

    /// The same with a broker that no other test uses: for what happens to all of it.
    async fn apart() -> Self;

    /// A bus, which need not be up.
    fn start(&self, role: Role) -> Box<dyn Bus>;

    /// Breaks all connections.
    async fn cut(&self);
    async fn delete_queue(&self, name: &str);
    async fn purge(&self, name: &str);
    /// Has a queue refuse past so many messages; may take a moment to apply.
    async fn limit(&self, name: &str, messages_max: usize);
    /// Raises an alarm about memory. Only where it is apart.
    async fn block(&self);
    async fn unblock(&self);
    /// Takes the broker out of reach.
    async fn down(&mut self);
    async fn up(&mut self);
    /// Ends the broker in the middle of what it does, and starts it again. Only where it is apart.
    async fn restart(&mut self);

    /// An orchestrator's bus that is up and has declared the queue of `payment`.
    async fn bus(&self) -> Box<dyn Bus> {
        let bus = self.start(Role::Server);
        bus.declare(&[payment()]).await;
        up(&*bus, 1).await;
        bus
    }
}
