//! The loop of a participant: takes commands, serves some at once, hands the answers on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use saga_bus::{Bus, Consumer, Delivery, Settlement};
use saga_protocol::{Command, Message, ParticipantName, topology};
use saga_runtime::Shutdown;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{MissedTickBehavior, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Answer, Intent, Service,
    replies::{Outbound, Replies, Settle},
};

/// Commands held ready per command being served: hides a round trip to the broker, and leaves the
/// rest of the queue to the other replicas.
const PREFETCH_FACTOR: u32 = 4;
/// How long what has begun may take once we are told to end. Below what supervisors commonly allow
/// before they kill.
const DRAIN_MAX: Duration = Duration::from_secs(8);
/// Calls outside the database in flight at once. Each holds a command, which may have a mebibyte;
/// past this nothing is taken from the queue, for the other replicas to take.
const CALLS_MAX: usize = 256;
/// How often we look for intents whose lease has passed: little beside the shortest lease.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Intents taken up in one transaction: leaves calls to the commands that arrive meanwhile.
const TAKEN_UP_MAX: usize = 32;

/// Serves the commands that a bus brings until told to end, then finishes what has begun, within a
/// deadline. `concurrency` is how many commands have the database's attention at once.
pub async fn serve(
    bus: &Arc<dyn Bus>,
    service: Arc<Service>,
    concurrency: u32,
    shutdown: &Shutdown,
) {
    let prefetch = u16::try_from(concurrency * PREFETCH_FACTOR).unwrap_or(u16::MAX);
    let mut commands = bus.consume(&topology::command_queue(&service.name), prefetch).await;
    let (replies, sending) = Replies::start(Arc::clone(bus));
    let desk = Desk {
        service,
        replies,
        database_down: Arc::default(),
        slots: Arc::new(Semaphore::new(concurrency as usize)),
        calls: Arc::new(Semaphore::new(CALLS_MAX)),
        tasks: TaskTracker::new(),
    };
    tracing::info!(participant.name = %desk.service.name, "serving");
    let ended = shutdown.drain.child_token();
    let taking = async {
        desk.take(commands.as_mut(), &ended).await;
        ended.cancel();
    };
    let looking = async {
        if desk.service.works_outside() {
            desk.take_up(&ended).await;
        }
    };
    tokio::join!(taking, looking);
    let (service, tasks) = (Arc::clone(&desk.service), desk.tasks.clone());
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
            tracing::warn!("not all commands were finished; they are taken up again");
        }
    }
}

/// Where commands are served.
#[derive(Clone)]
struct Desk {
    service: Arc<Service>,
    replies: Replies,
    /// Set by whoever finds the database away; the loop takes no command then.
    database_down: Arc<AtomicBool>,
    /// Held by a command while it has the database's attention.
    slots: Arc<Semaphore>,
    /// Held by a command from when it is taken until its call outside has ended, where it has one.
    calls: Arc<Semaphore>,
    tasks: TaskTracker,
}

/// What a command must have before it is taken, so that it is served at once.
struct Seat {
    slot: OwnedSemaphorePermit,
    /// Only where anything works outside: before it is taken nobody knows whether it does.
    call: Option<OwnedSemaphorePermit>,
}

impl Desk {
    /// Takes commands and has them served, until told to end.
    async fn take(&self, commands: &mut dyn Consumer, ended: &CancellationToken) {
        while let Some((deliveries, seats)) = self.next(commands, ended).await {
            for (delivery, seat) in deliveries.into_iter().zip(seats) {
                let desk = self.clone();
                self.tasks.spawn(async move { desk.serve(delivery, seat).await });
            }
        }
    }

    /// Takes as many commands as can be served now. `None` once told to end.
    async fn next(
        &self,
        commands: &mut dyn Consumer,
        ended: &CancellationToken,
    ) -> Option<(Vec<Delivery>, Vec<Seat>)> {
        let taking = async {
            let mut seats = vec![self.seat().await?];
            if self.database_down.swap(false, Ordering::Relaxed) {
                self.service.recovered().await;
            }
            while let Some(seat) = self.free_seat() {
                seats.push(seat);
            }
            let deliveries = commands.receive(seats.len()).await?;
            Some((deliveries, seats))
        };
        tokio::select! {
            biased;
            () = ended.cancelled() => None,
            taken = taking => taken,
        }
    }

    async fn seat(&self) -> Option<Seat> {
        let call = match self.service.works_outside() {
            true => Some(Arc::clone(&self.calls).acquire_owned().await.ok()?),
            false => None,
        };
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok()?;
        Some(Seat { slot, call })
    }

    fn free_seat(&self) -> Option<Seat> {
        let call = match self.service.works_outside() {
            true => Some(Arc::clone(&self.calls).try_acquire_owned().ok()?),
            false => None,
        };
        let slot = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Seat { slot, call })
    }

    async fn serve(&self, delivery: Delivery, Seat { slot, call }: Seat) {
        let settle = Settle::new(delivery.settle);
        let Some(command) = read(&delivery.message, &self.service.name) else {
            return settle.tell(Settlement::Reject);
        };
        let (body, settlement) = match self.service.handle(&command).await {
            Answer::Reply(body) => (body, Settlement::Acknowledge),
            Answer::Contradicted(body) => (body, Settlement::Reject),
            Answer::Unavailable(body) => {
                self.database_down.store(true, Ordering::Relaxed);
                (body, Settlement::Acknowledge)
            }
            Answer::InDoubt => return settle.tell(Settlement::Requeue),
            Answer::Nothing => return settle.tell(Settlement::Acknowledge),
            Answer::Intent(intent) => {
                // From here on the intent answers for it, however long the call takes.
                settle.tell(Settlement::Acknowledge);
                drop(slot);
                self.call(intent).await;
                return drop(call);
            }
        };
        log_answered(&command);
        self.replies.send(Outbound { command, body, settle, settlement }).await;
    }

    /// Does what an intent announces, and answers.
    async fn call(&self, intent: Intent) {
        let command = intent.command.clone();
        let Answer::Reply(body) = self.service.call(intent).await else { return };
        log_answered(&command);
        let (settle, settlement) = (Settle::settled(), Settlement::Acknowledge);
        self.replies.send(Outbound { command, body, settle, settlement }).await;
    }

    /// Takes up intents whose lease has passed, at start and ever again, until told to end.
    async fn take_up(&self, ended: &CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = ended.cancelled() => return,
                _ = looks.tick() => {}
            }
            loop {
                match self.look().await {
                    // As many as were asked for: there may be more.
                    Ok(TAKEN_UP_MAX) => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(error = format!("{error:#}"), "cannot look for intents");
                        break;
                    }
                }
            }
        }
    }

    /// Takes up as many as may be called now; how many it took.
    async fn look(&self) -> anyhow::Result<usize> {
        let free = |_| Arc::clone(&self.calls).try_acquire_owned().ok();
        let calls: Vec<_> = (0..TAKEN_UP_MAX).map_while(free).collect();
        if calls.is_empty() {
            return Ok(0);
        }
        let intents = self.service.lapsed(calls.len()).await?;
        let taken = intents.len();
        for (intent, call) in intents.into_iter().zip(calls) {
            let desk = self.clone();
            self.tasks.spawn(async move {
                desk.call(intent).await;
                drop(call);
            });
        }
        Ok(taken)
    }
}

fn log_answered(command: &Command) {
    tracing::debug!(
        saga.id = %command.saga_id,
        step.name = %command.step,
        command.phase = %command.phase,
        command.attempt = command.attempt,
        "answered"
    );
}

/// The command of a message. What is none, or is meant for somebody else, cannot be answered:
/// nobody waits for it.
fn read(message: &Message, name: &ParticipantName) -> Option<Command> {
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
