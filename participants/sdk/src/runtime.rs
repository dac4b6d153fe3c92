//! The loop of a participant: takes commands, serves some at once, hands the answers on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use saga_bus::{Amqp, Bus, Consumer, Delivery, Health, Options, Role, Settlement};
use saga_protocol::{Command, ParticipantName, topology};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::task::TaskTracker;

use crate::{
    Answer, Participant, Service, Settings,
    database::Use,
    logs,
    replies::{Outbound, Replies},
    shutdown::Shutdown,
};

/// Commands held ready per command being served: hides a round trip to the broker, and leaves the
/// rest of the queue to the other replicas.
const PREFETCH_FACTOR: u32 = 4;
/// How long what has begun may take once we are told to end. Below what supervisors commonly allow
/// before they kill.
const DRAIN_MAX: Duration = Duration::from_secs(8);

/// Runs a participant until it is told to end.
pub(crate) async fn run(participant: Participant, settings: Settings) -> anyhow::Result<()> {
    logs::start(&settings);
    // TLS takes one provider for the process. Whoever comes first wins; all our binaries want the
    // same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let shutdown = Shutdown::listen()?;
    let name = participant.name.clone();
    tracing::info!(participant.name = %name, "starting");
    let wanted = Use { connections: settings.concurrency, allow_unsafe: settings.allow_unsafe_db };
    let connecting = Service::connect(participant, &settings.database_url, wanted);
    let service = tokio::select! {
        biased;
        () = shutdown.drain.cancelled() => return Ok(()),
        service = connecting => service?,
    };
    let options = Options {
        url: settings.amqp_url,
        role: Role::Participant(name.clone()),
        name: name.to_string(),
    };
    let bus: Arc<dyn Bus> = Arc::new(Amqp::start(options).context("`AMQP_URL` is not valid")?);
    tokio::select! {
        biased;
        () = shutdown.drain.cancelled() => {}
        () = connected(bus.as_ref()) => {
            serve(&bus, Arc::new(service), settings.concurrency, &shutdown).await;
        }
    }
    tokio::select! {
        biased;
        () = shutdown.now.cancelled() => {}
        () = bus.close() => tracing::info!(participant.name = %name, "ended"),
    }
    Ok(())
}

/// Waits for the broker. Later outages are the bus's business.
async fn connected(bus: &dyn Bus) {
    let mut health = bus.health();
    loop {
        match &*health.borrow_and_update() {
            Health::Up { .. } => return,
            Health::Blocked { reason } | Health::Down { reason } => {
                tracing::info!(reason, "waiting for the broker");
            }
        }
        // The bus is gone when nobody can tell any more; then the subscription ends at once.
        if health.changed().await.is_err() {
            return;
        }
    }
}

/// Serves commands until told to end, then finishes what has begun, within the deadline.
pub(crate) async fn serve(
    bus: &Arc<dyn Bus>,
    service: Arc<Service>,
    concurrency: u32,
    shutdown: &Shutdown,
) {
    let prefetch = u16::try_from(concurrency * PREFETCH_FACTOR).unwrap_or(u16::MAX);
    let mut commands = bus.consume(&topology::command_queue(&service.name), prefetch).await;
    let (replies, sending) = Replies::start(Arc::clone(bus));
    let desk = Desk { service, replies, database_down: Arc::default() };
    tracing::info!(participant.name = %desk.service.name, "serving");
    let tasks = TaskTracker::new();
    let slots = Arc::new(Semaphore::new(concurrency as usize));
    while let Some((deliveries, permits)) = next(commands.as_mut(), &slots, &desk, shutdown).await {
        for (delivery, permit) in deliveries.into_iter().zip(permits) {
            let desk = desk.clone();
            tasks.spawn(async move {
                desk.serve(delivery).await;
                drop(permit);
            });
        }
    }
    let service = Arc::clone(&desk.service);
    drop(desk);
    tasks.close();
    let drained = async {
        tasks.wait().await;
        // All handles are gone now, so that the sender ends by itself.
        let _ = sending.await;
        service.database.close().await;
    };
    tokio::select! {
        biased;
        () = shutdown.now.cancelled() => {}
        ended = timeout(DRAIN_MAX, drained) => if ended.is_err() {
            tracing::warn!("not all commands were finished; they are delivered again");
        }
    }
}

/// Takes as many commands as can be served now. `None` once told to end. The permits come first: a
/// command that is taken is served at once.
async fn next(
    commands: &mut dyn Consumer,
    slots: &Arc<Semaphore>,
    desk: &Desk,
    shutdown: &Shutdown,
) -> Option<(Vec<Delivery>, Vec<OwnedSemaphorePermit>)> {
    let taking = async {
        let mut permits = vec![Arc::clone(slots).acquire_owned().await.ok()?];
        if desk.database_down.swap(false, Ordering::Relaxed) {
            desk.service.recovered().await;
        }
        while let Ok(permit) = Arc::clone(slots).try_acquire_owned() {
            permits.push(permit);
        }
        let deliveries = commands.receive(permits.len()).await?;
        Some((deliveries, permits))
    };
    tokio::select! {
        biased;
        () = shutdown.drain.cancelled() => None,
        taken = taking => taken,
    }
}

/// Where one command is served.
#[derive(Clone)]
struct Desk {
    service: Arc<Service>,
    replies: Replies,
    /// Set by whoever finds the database away; the loop takes no command then.
    database_down: Arc<AtomicBool>,
}

impl Desk {
    async fn serve(&self, delivery: Delivery) {
        let Some(command) = read(&delivery, &self.service.name) else {
            return (delivery.settle)(Settlement::Reject);
        };
        let (body, settlement) = match self.service.handle(&command).await {
            Answer::Reply(body) => (body, Settlement::Acknowledge),
            Answer::Contradicted(body) => (body, Settlement::Reject),
            Answer::Unavailable(body) => {
                self.database_down.store(true, Ordering::Relaxed);
                (body, Settlement::Acknowledge)
            }
            Answer::InDoubt => return (delivery.settle)(Settlement::Requeue),
        };
        tracing::debug!(
            saga.id = %command.saga_id,
            step.name = %command.step,
            command.phase = %command.phase,
            command.attempt = command.attempt,
            "answered"
        );
        let settle = delivery.settle;
        self.replies.send(Outbound { command, body, settle, settlement }).await;
    }
}

/// The command of a delivery. What is none, or is meant for somebody else, cannot be answered:
/// nobody waits for it.
fn read(delivery: &Delivery, name: &ParticipantName) -> Option<Command> {
    let message = &delivery.message;
    let reason = match Command::from_message(message) {
        Ok(command) if command.participant == *name => return Some(command),
        Ok(command) => format!("it is meant for `{}`", command.participant),
        Err(malformed) => malformed.to_string(),
    };
    tracing::error!(
        message.id = %message.message_id,
        message.correlation_id = message.correlation_id,
        message.kind = message.kind,
        reason,
        "not a command; it goes to the dead letters"
    );
    None
}
