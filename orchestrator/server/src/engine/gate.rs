//! Replies before timers: nothing due is decided while answers may be waiting that say otherwise.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use saga_bus::Health;
use saga_protocol::{limits, topology};
use tokio::sync::watch;

use super::Engine;

/// How long replies may hold back timers after a reconnect: past it something else is wrong, and
/// sagas must go on.
const HELD_MAX: Duration = Duration::from_secs(30);
/// After a reconnect no depth is believed for this long: a broker that was restarted says 0 for
/// about two seconds.
const DEPTH_UNRELIABLE: Duration = Duration::from_secs(3);
/// Between two looks at the queue, and at the bus while it is away.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is known of replies that have arrived and are not taken in yet.
#[derive(Default)]
pub(super) struct Backlog {
    last_full: Mutex<Option<Instant>>,
    retrying: AtomicUsize,
}

/// A batch of replies waits for the database while this lives.
pub(super) struct Retrying<'a>(&'a Backlog);

impl Backlog {
    /// So many replies had arrived at once.
    pub(super) fn note_arrived(&self, replies: usize) {
        if replies >= limits::BATCH_MAX
            && let Ok(mut last) = self.last_full.lock()
        {
            *last = Some(Instant::now());
        }
    }

    pub(super) fn retrying(&self) -> Retrying<'_> {
        self.retrying.fetch_add(1, Ordering::Relaxed);
        Retrying(self)
    }

    fn is_behind(&self) -> bool {
        let last_full = self.last_full.lock().ok().and_then(|last| *last);
        let is_flooded = last_full.is_some_and(|last| last.elapsed() < LOOK_EVERY);
        is_flooded || self.retrying.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Retrying<'_> {
    fn drop(&mut self) {
        self.0.retrying.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether timers may be decided now.
pub(super) struct Gate {
    health: watch::Receiver<Health>,
    /// The connection for which the replies were once caught up with.
    opened_for: Option<u64>,
    /// The connection that is waited on, and since when.
    waiting: Option<(u64, Instant)>,
}

impl Gate {
    pub(super) fn new(health: watch::Receiver<Health>) -> Self {
        Self { health, opened_for: None, waiting: None }
    }

    /// Resolves once timers may be decided. Safe to cancel.
    pub(super) async fn opened(&mut self, engine: &Engine) {
        loop {
            // Not held across an await.
            let health = self.health.borrow_and_update().clone();
            match health {
                Health::Up { connections } if self.is_open(engine, connections).await => return,
                Health::Up { .. } | Health::Blocked { .. } | Health::Down { .. } => {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
        }
    }

    async fn is_open(&mut self, engine: &Engine, connection: u64) -> bool {
        if self.opened_for == Some(connection) {
            return true;
        }
        let since = match self.waiting {
            Some((waited_on, since)) if waited_on == connection => since,
            _ => self.waiting.insert((connection, Instant::now())).1,
        };
        let held = since.elapsed();
        if held >= HELD_MAX {
            tracing::warn!("replies still wait after {HELD_MAX:?}; timers go on without them");
        } else {
            // The first connection of a process is not one that replaces another.
            let is_reliable = connection == 1 || held >= DEPTH_UNRELIABLE;
            if !is_reliable || engine.0.backlog.is_behind() {
                return false;
            }
            let depth = engine.0.bus.depth(topology::REPLIES).await;
            if depth.is_none_or(|depth| depth >= limits::BATCH_MAX as u64) {
                return false;
            }
        }
        self.opened_for = Some(connection);
        true
    }
}
