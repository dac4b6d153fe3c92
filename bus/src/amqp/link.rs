//! Keeps one connection to the broker: connects, declares, watches; on any trouble drops it, waits,
//! begins again.
//!
//! The client's own recovery stays off: it can end silently, with its users waiting for ever.

use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Instant};

use futures_util::{Stream, StreamExt};
use lapin::{Connection, ConnectionProperties, Event};
use saga_protocol::ParticipantName;
use saga_runtime::Delays;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Phase, Shared,
    limits::{CHECK_INTERVAL, CONNECT_MAX, GOOD_AFTER, GOODBYE_MAX, REDECLARE_GAP},
    status::{Purpose, State},
    stream,
    trouble::{Trouble, within},
    until,
};
use crate::{Role, role::REDECLARE_EVERY};

/// A connection that stands.
pub(super) struct Live {
    pub(super) connection: Connection,
    /// Where its users say that it is of no use any more. The first one is heard.
    broken: mpsc::Sender<String>,
}

impl Live {
    /// Has the connection dropped and made anew.
    pub(super) fn give_up(&self, reason: String) {
        // Full or closed: somebody else has said so before.
        let _ = self.broken.try_send(reason);
    }
}

/// The connection of one purpose, for its users.
pub(super) type Lives = watch::Receiver<Option<Arc<Live>>>;

/// The next connection after this one; the first where there was none. `None` when there will be no
/// other.
pub(super) async fn next(lives: &mut Lives, last: Option<&Arc<Live>>) -> Option<Arc<Live>> {
    let differs = |live: &Arc<Live>| last.is_none_or(|last| !Arc::ptr_eq(live, last));
    let found = lives.wait_for(|live| live.as_ref().is_some_and(differs)).await.ok()?;
    found.clone()
}

/// What keeps a connection.
pub(super) struct Link {
    pub(super) purpose: Purpose,
    pub(super) shared: Arc<Shared>,
    pub(super) lives: watch::Sender<Option<Arc<Live>>>,
}

impl Link {
    /// Runs until told to disconnect.
    pub(super) async fn run(self, mut phase: watch::Receiver<Phase>) {
        let mut delays = Delays::new();
        let purpose = self.purpose.name();
        loop {
            let began = Instant::now();
            let ended = self.session(&mut phase).await;
            let Err(trouble) = ended else { break };
            let reason = self.shared.explain(&trouble);
            self.shared.status.set(self.purpose, State::Down(reason.clone()));
            if began.elapsed() >= GOOD_AFTER {
                delays.reset();
            }
            let delay = delays.next_delay();
            if self.shared.complaints.is_news(&reason) {
                tracing::warn!(
                    bus.connection = purpose,
                    bus.broker = self.shared.address.shown(),
                    error = reason,
                    "the broker is not reachable or the connection broke; connecting anew until it \
                     works, and saying so once a minute"
                );
            }
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = until(&mut phase, Phase::Disconnecting) => break,
            }
        }
        self.shared.status.set(self.purpose, State::Down("closed".to_owned()));
    }

    /// One connection from its beginning to its end. `Ok` when it was asked to end.
    async fn session(&self, phase: &mut watch::Receiver<Phase>) -> Result<(), Trouble> {
        let connection = tokio::select! {
            connection = self.connect() => connection?,
            () = until(phase, Phase::Disconnecting) => return Ok(()),
        };
        let (broken, heard) = mpsc::channel(1);
        let live = Arc::new(Live { connection, broken });
        let ended = tokio::select! {
            ended = self.serve(&live, heard) => ended,
            () = until(phase, Phase::Disconnecting) => Ok(()),
        };
        self.lives.send_replace(None);
        if let Err(trouble) = &ended {
            self.shared.status.set(self.purpose, State::Down(self.shared.explain(trouble)));
        }
        if live.connection.status().connected() {
            let goodbye =
                live.connection.close(lapin::protocol::constants::REPLY_SUCCESS, "OK".into());
            if let Err(trouble) = within(GOODBYE_MAX, "close the connection", goodbye).await {
                let purpose = self.purpose.name();
                tracing::debug!(bus.connection = purpose, error = %trouble, "no goodbye");
            }
        }
        ended
    }

    async fn connect(&self) -> Result<Connection, Trouble> {
        let name = format!("{} {}", self.shared.name, self.purpose.name());
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let connecting = stream::connect(self.shared.address.uri(), properties);
        within(CONNECT_MAX, "connect", Box::pin(connecting)).await
    }

    /// Makes the connection useful and stays with it until it is not.
    async fn serve(&self, live: &Arc<Live>, heard: mpsc::Receiver<String>) -> Result<(), Trouble> {
        let events = live.connection.events_listener();
        let declared = self.declare(&live.connection).await?;
        self.lives.send_replace(Some(Arc::clone(live)));
        // Whoever adds a participant does so first and looks for the connection then; we the other
        // way round. So one of us sees the other.
        let missed = self.shared.wanted().difference(&declared).cloned().collect();
        self.shared.declare_queues(&live.connection, &missed).await?;
        self.shared.status.set(self.purpose, State::Up);
        if self.shared.complaints.is_relief() {
            let broker = self.shared.address.shown();
            tracing::info!(bus.broker = broker, "connected to the broker");
        }
        tokio::select! {
            trouble = self.watch(&live.connection, events, heard) => Err(trouble),
            trouble = self.keep(&live.connection) => Err(trouble),
        }
    }

    /// Keeps the topology: declares it anew from time to time, and when somebody has heard that
    /// something is gone. On one connection, the one that no alarm blocks.
    async fn keep(&self, connection: &Connection) -> Trouble {
        if self.purpose != Purpose::Consuming || self.shared.role != Role::Server {
            return std::future::pending().await;
        }
        loop {
            tokio::time::sleep(REDECLARE_GAP).await;
            // Told or not, it is time.
            let _ = timeout(REDECLARE_EVERY - REDECLARE_GAP, self.shared.lost.notified()).await;
            if let Err(trouble) = self.shared.declare(connection, &self.shared.wanted()).await {
                return trouble;
            }
        }
    }

    /// Declares what there is to declare. An orchestrator does so on both connections: publishing
    /// may be what finds out that something is gone. A participant must wait for the orchestrator
    /// only once.
    async fn declare(&self, connection: &Connection) -> Result<BTreeSet<ParticipantName>, Trouble> {
        let wanted = self.shared.wanted();
        if self.purpose == Purpose::Consuming || self.shared.role == Role::Server {
            self.shared.declare(connection, &wanted).await?;
        }
        Ok(wanted)
    }

    /// Watches a connection until there is trouble.
    async fn watch(
        &self,
        connection: &Connection,
        events: impl Stream<Item = Event>,
        mut heard: mpsc::Receiver<String>,
    ) -> Trouble {
        let mut events = pin!(events);
        let mut check = tokio::time::interval(CHECK_INTERVAL);
        let mut blocked = false;
        let mut broken = None;
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some(Event::ConnectionBlocked(reason)) => {
                        blocked = true;
                        self.blocked(reason);
                    }
                    Some(Event::ConnectionUnblocked) => {
                        blocked = false;
                        tracing::info!(bus.connection = self.purpose.name(), "no longer blocked");
                        if broken.is_none() {
                            self.shared.status.set(self.purpose, State::Up);
                        }
                    }
                    // Errors of single channels come here too; those have users who care.
                    Some(Event::Error(error)) if !connection.status().connected() => {
                        return Trouble::Broker { what: "the connection ended", error };
                    }
                    Some(_) => {}
                    None => return Trouble::Seen("the connection's events ended".to_owned()),
                },
                Some(reason) = heard.recv(), if broken.is_none() => broken = Some(reason),
                _ = check.tick() => {
                    if !connection.status().connected() {
                        return Trouble::Seen("the connection is gone".to_owned());
                    }
                }
            }
            // A blocked connection is kept, whatever its users miss: a new one would look well,
            // take a publish and be blocked like this one, while this one could not even say
            // goodbye.
            if let Some(reason) = broken.take_if(|_| !blocked) {
                return Trouble::Seen(reason);
            }
        }
    }

    fn blocked(&self, reason: String) {
        tracing::warn!(
            bus.connection = self.purpose.name(),
            reason,
            "the broker is blocking us: it is short of memory or disk"
        );
        self.shared.status.set(self.purpose, State::Blocked(reason));
    }
}
