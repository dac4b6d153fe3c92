//! The seam for broken variants: what the processes of a world are made of.

use std::{fmt, sync::Arc};

use saga_bus::Bus;
use saga_participant::barrier::{At, Found, Question, Verdict, judge};
use saga_protocol::Command;
use saga_store::Store;

/// Wraps a port.
pub type Wrap<T> = Arc<dyn Fn(Arc<T>) -> Arc<T> + Send + Sync>;

/// What a world is made of. The default is the product; a broken variant replaces one part.
#[derive(Clone)]
pub struct Parts {
    /// Around the store that all orchestrators share, below what goes wrong on the way to it.
    pub shared_store: Wrap<dyn Store>,
    /// Around the store as one orchestrator sees it, above what goes wrong on the way to it.
    pub store: Wrap<dyn Store>,
    /// Around the bus as one orchestrator sees it.
    pub bus: Wrap<dyn Bus>,
    /// Around the bus as one participant sees it.
    pub participant_bus: Wrap<dyn Bus>,
    /// What a participant's barrier decides.
    pub judge: fn(&Found, Question, At) -> Verdict,
    /// What a participant's barrier tells commands apart by, beside saga, step and phase: nothing.
    pub identity: fn(&Command) -> u32,
    /// What a participant does with a command, in this order; it may be killed in between.
    pub serve: &'static [Act],
}

/// What a participant does with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Asks the barrier, does the work and remembers it: one transaction.
    Commit,
    /// Asks the barrier and makes up the answer to work that is yet to be done.
    Promise,
    /// Asks the barrier and does the work, without remembering it.
    Work,
    /// Remembers the work.
    Remember,
    /// Answers.
    Reply,
    /// Acknowledges the command.
    Acknowledge,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            shared_store: Arc::new(|store| store),
            store: Arc::new(|store| store),
            bus: Arc::new(|bus| bus),
            participant_bus: Arc::new(|bus| bus),
            judge,
            identity: |_| 0,
            serve: &[Act::Commit, Act::Reply, Act::Acknowledge],
        }
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("serve", &self.serve).finish_non_exhaustive()
    }
}
