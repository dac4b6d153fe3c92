//! Keeps one connection to the broker: connects, declares, watches; on any trouble drops it, waits,
//! begins again.
//!
//! The client's own recovery stays off: it can end silently, with its users waiting for ever.

use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Instant};

use futures_util::{Stream, StreamExt};
use lapin::{Connection, ConnectionProperties, Event};
use saga_protocol::ParticipantName;
use tokio::sync::{mpsc, watch};

use super::{
    Phase, Role, Shared,
    backoff::Delays,
    declare,
    limits::{CHECK_INTERVAL, CONNECT_MAX, GOODBYE_MAX},
    status::{Purpose, State},
    stream,
    trouble::{Trouble, within},
    until,
};

/// A connection that stands.
pub(super) struct Live {
    pub(super) connection: Connection,
    /// Where its users say that it is of no use any more. The first one is heard.
    broken: mpsc::Sender<String>,
}

impl Live {
    /// Has the connection dropped and made anew.
    pub(super) fn give_up(&self, trouble: &Trouble) {
        // Full or closed: somebody else has said so before.
        let _ = self.broken.try_send(trouble.to_string());
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
            self.shared.status.set(self.purpose, State::Down(trouble.to_string()));
            let delay = delays.after(began);
            tracing::warn!(
                bus.connection = purpose,
                bus.broker = self.shared.address.shown(),
                error = %trouble,
                retry.after_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
                "the broker is not reachable or the connection broke, connecting anew"
            );
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
            self.shared.status.set(self.purpose, State::Down(trouble.to_string()));
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
        let created = declare::command_queues(&live.connection, &missed).await?;
        self.shared.note_created(created);
        self.shared.status.set(self.purpose, State::Up);
        tracing::info!(
            bus.connection = self.purpose.name(),
            bus.broker = self.shared.address.shown(),
            "connected to the broker"
        );
        Err(self.watch(&live.connection, events, heard).await)
    }

    /// Declares what there is to declare. An orchestrator does so on both connections: publishing
    /// may be what finds out that something is gone. A participant must wait for the orchestrator
    /// only once.
    async fn declare(&self, connection: &Connection) -> Result<BTreeSet<ParticipantName>, Trouble> {
        let wanted = self.shared.wanted();
        if self.purpose == Purpose::Consuming || self.shared.role == Role::Server {
            let created = declare::declare(connection, &self.shared.role, &wanted).await?;
            self.shared.note_created(created);
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
