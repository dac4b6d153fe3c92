//! Replies before timers: nothing due is decided while answers may be waiting that say otherwise.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use saga_bus::Health;
use saga_protocol::{limits, topology};
use tokio::{sync::watch, time::Instant};

use crate::Engine;

/// How long replies may hold back timers after a reconnect: past it something else is wrong, and
/// sagas must go on.
const HELD_MAX: Duration = Duration::from_secs(30);
/// After a reconnect no depth is believed for this long: a broker that was restarted says 0 for
/// about two seconds.
const DEPTH_UNRELIABLE: Duration = Duration::from_secs(3);
/// Whoever has not asked for this long was stopped, and has replies in its sockets that no depth
/// shows. A batch of looks that took so long costs a pause in vain, which harms nobody.
pub(crate) const ASLEEP: Duration = Duration::from_secs(5);
/// Between two looks at the queue, and at the bus while it is away.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is known of replies that have arrived and are not taken in yet.
#[derive(Default)]
pub(crate) struct Backlog {
    last_full: Mutex<Option<Instant>>,
    retrying: AtomicUsize,
}

/// A batch of replies waits for the database while this lives.
pub(crate) struct Retrying<'a>(&'a Backlog);

impl Backlog {
    /// So many replies had arrived at once.
    pub(crate) fn note_arrived(&self, replies: usize) {
        if replies >= limits::BATCH_MAX
            && let Ok(mut last) = self.last_full.lock()
        {
            *last = Some(Instant::now());
        }
    }

    pub(crate) fn retrying(&self) -> Retrying<'_> {
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
pub(crate) struct Gate {
    health: watch::Receiver<Health>,
    state: State,
    /// When it was last found open or asked.
    asked: Instant,
}

/// What is known of the replies.
#[derive(Clone, Copy)]
enum State {
    /// They were once caught up with on this connection.
    Open { connection: u64 },
    /// They are waited for.
    Waiting {
        connection: u64,
        since: Instant,
        /// How long no depth is believed.
        unreliable: Duration,
    },
}

impl State {
    /// What is known on a new connection. The first of a process replaces no other, so that no
    /// restart of the broker is behind it.
    fn on(connection: u64, since: Instant) -> Self {
        let unreliable = if connection <= 1 { Duration::ZERO } else { DEPTH_UNRELIABLE };
        Self::Waiting { connection, since, unreliable }
    }

    fn connection(self) -> u64 {
        let (Self::Open { connection } | Self::Waiting { connection, .. }) = self;
        connection
    }
}

impl Gate {
    pub(crate) fn new(health: watch::Receiver<Health>) -> Self {
        let now = Instant::now();
        Self { health, state: State::on(0, now), asked: now }
    }

    /// Resolves once timers may be decided. Safe to cancel.
    pub(crate) async fn opened(&mut self, engine: &Engine) {
        loop {
            let now = Instant::now();
            let slept = now.duration_since(std::mem::replace(&mut self.asked, now));
            if slept >= ASLEEP {
                tracing::warn!(?slept, "this process was stopped; replies are taken in first");
                let (connection, since) = (self.state.connection(), now);
                let unreliable = DEPTH_UNRELIABLE;
                self.state = State::Waiting { connection, since, unreliable };
            }
            // Not held across an await.
            let health = self.health.borrow_and_update().clone();
            match health {
                Health::Up { connections } if self.is_open(engine, connections).await => return,
                Health::Up { .. } | Health::Blocked { .. } | Health::Down { .. } => {}
            }
            // However long the broker took to answer, that was no stop.
            self.asked = Instant::now();
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn is_open(&mut self, engine: &Engine, connection: u64) -> bool {
        if self.state.connection() != connection {
            self.state = State::on(connection, Instant::now());
        }
        let State::Waiting { since, unreliable, .. } = self.state else { return true };
        let held = since.elapsed();
        if held >= HELD_MAX {
            tracing::warn!("replies still wait after {HELD_MAX:?}; timers go on without them");
        } else {
            if held < unreliable || engine.0.backlog.is_behind() {
                return false;
            }
            let depth = engine.0.bus.depth(topology::REPLIES).await;
            if depth.is_none_or(|depth| depth >= limits::BATCH_MAX as u64) {
                return false;
            }
        }
        self.state = State::Open { connection };
        true
    }
}
