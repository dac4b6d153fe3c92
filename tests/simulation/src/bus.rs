//! The bus as one process has it: what it asks of the broker goes wrong as the seed says, and ends
//! with the process.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use saga_bus::{Bus, Consumer, Delivery, Health, InProcess, Publication, Settlement, Unpublished};
use saga_checker::Unprocessable;
use saga_protocol::{ParticipantName, headers, topology};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::{fault::Fault, held, life::Life, world::World};

/// How long a message may be on its way: past every timeout of the definitions.
const DELAY_MAX_MS: u64 = 8_000;
/// How long the broker may take to confirm.
const CONFIRM_MAX_MS: u64 = 3_000;

/// The bus of one process.
pub(crate) struct ProcessBus {
    pub(crate) world: Arc<World>,
    pub(crate) name: Arc<str>,
    pub(crate) life: Arc<Life>,
    pub(crate) endpoint: Arc<InProcess>,
}

/// What becomes of one message.
enum Fate {
    /// It goes to the broker, whose answer counts.
    Sent,
    /// It goes to the broker, and the answer is lost.
    Unheard,
    /// It does not go to the broker, and this is the answer.
    Kept(Result<(), Unpublished>),
}

impl ProcessBus {
    /// Lets the process die at this call, perhaps: before it, in it, or after it.
    async fn may_die(&self) {
        if self.world.is_orchestrator(&self.name) && self.world.strikes(Fault::KilledCalling) {
            self.world.kill_soon(&self.name, &self.life);
            self.life.running().await;
        }
    }

    fn fate(&self, publication: &Publication) -> Fate {
        let world = &self.world;
        let late = |publication: &Publication| {
            let after = world.dice.millis(1..DELAY_MAX_MS);
            world.publish_later(publication.clone(), after);
        };
        if world.strikes(Fault::Lost) {
            return Fate::Kept(Err(Unpublished::Unconfirmed));
        }
        if world.strikes(Fault::LostConfirmed) {
            return Fate::Kept(Ok(()));
        }
        if world.strikes(Fault::Returned) {
            return Fate::Kept(Err(Unpublished::Returned(publication.routing_key.clone())));
        }
        if world.strikes(Fault::Delayed) {
            late(publication);
            return Fate::Kept(Ok(()));
        }
        if world.strikes(Fault::Duplicated) {
            late(publication);
        }
        if world.strikes(Fault::ConfirmLost) { Fate::Unheard } else { Fate::Sent }
    }

    fn tell(&self, publication: &Publication, fate: &Fate) {
        let became = match fate {
            Fate::Sent => "",
            Fate::Unheard => ", its confirm is lost",
            Fate::Kept(Ok(())) => ", is confirmed and not there",
            Fate::Kept(Err(_)) => ", is not sent",
        };
        let message = &publication.message;
        let header = |name| message.header(name).unwrap_or_default();
        self.world.trace.say(&self.name, || {
            format!(
                "publishes {} {} of `{}` attempt {} of {}{}{became}",
                if publication.exchange == topology::REPLIES { "the reply to" } else { "the" },
                header(headers::PHASE),
                header(headers::STEP),
                header(headers::ATTEMPT),
                short(message.correlation_id.as_deref().unwrap_or("?")),
                if publication.exchange == topology::REPLIES {
                    format!(": {}", String::from_utf8_lossy(&message.body))
                } else {
                    String::new()
                },
            )
        });
    }
}

/// The end of an id: enough to tell sagas apart.
pub(crate) fn short(id: &str) -> &str {
    &id[id.len().saturating_sub(4)..]
}

#[async_trait]
impl Bus for ProcessBus {
    async fn publish(&self, batch: Vec<Publication>) -> Vec<Result<(), Unpublished>> {
        self.life.running().await;
        for publication in batch.iter().filter(|p| p.exchange == topology::COMMANDS) {
            self.world.note_sent(publication);
        }
        self.may_die().await;
        let mut fates = Vec::new();
        let mut sent = Vec::new();
        for publication in batch {
            let fate = self.fate(&publication);
            self.tell(&publication, &fate);
            if !matches!(fate, Fate::Kept(_)) {
                if self.world.plan.twice {
                    sent.push(publication.clone());
                }
                sent.push(publication);
            }
            fates.push(fate);
        }
        let slow = self.world.strikes(Fault::BusSlow);
        let answers = self.life.call(async {
            let answers = self.endpoint.publish(sent).await;
            if slow {
                tokio::time::sleep(self.world.dice.millis(1..CONFIRM_MAX_MS)).await;
            }
            answers
        });
        let mut answers = answers.await.into_iter();
        let copies = if self.world.plan.twice { 2 } else { 1 };
        let mut answer = |fate| match fate {
            Fate::Kept(answer) => answer,
            fate => {
                let last = answers.by_ref().take(copies).last();
                match (fate, last) {
                    (Fate::Sent, Some(answer)) => answer,
                    _ => Err(Unpublished::Unconfirmed),
                }
            }
        };
        let answers = fates.into_iter().map(&mut answer).collect();
        self.may_die().await;
        answers
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Box<dyn Consumer> {
        let inner = self.life.call(self.endpoint.consume(queue, prefetch)).await;
        Box::new(ProcessConsumer {
            world: Arc::clone(&self.world),
            life: Arc::clone(&self.life),
            inner,
            arrived: Vec::new(),
        })
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.endpoint.health()
    }

    async fn depth(&self, queue: &str) -> Option<u64> {
        let depth = self.life.call(self.endpoint.depth(queue)).await;
        if self.world.strikes(Fault::DepthUnknown) { None } else { depth }
    }

    async fn declare(&self, participants: &[ParticipantName]) {
        self.life.call(self.endpoint.declare(participants)).await;
    }

    fn take_created(&self) -> Vec<ParticipantName> {
        if self.life.is_running() { self.endpoint.take_created() } else { Vec::new() }
    }

    async fn close(&self) {
        self.life.call(self.endpoint.close()).await;
    }
}

/// A subscription of one process.
struct ProcessConsumer {
    world: Arc<World>,
    life: Arc<Life>,
    inner: Box<dyn Consumer>,
    /// What has arrived and waits for the process to go on.
    arrived: Vec<Delivery>,
}

#[async_trait]
impl Consumer for ProcessConsumer {
    async fn receive(&mut self, max: usize) -> Option<Vec<Delivery>> {
        self.life.running().await;
        if self.arrived.is_empty() {
            let deliveries = tokio::select! {
                biased;
                () = self.life.died() => std::future::pending().await,
                deliveries = self.inner.receive(max) => deliveries?,
            };
            for delivery in deliveries {
                self.arrived.extend(self.arrive(delivery));
            }
        }
        // Cancelled here, nothing is lost.
        self.life.running().await;
        let mut taken: Vec<_> = self.arrived.drain(..max.min(self.arrived.len())).collect();
        if taken.len() > 1 && self.world.strikes(Fault::Reordered) {
            for last in (1..taken.len()).rev() {
                taken.swap(last, self.world.dice.below(last + 1));
            }
        }
        Some(taken)
    }
}

impl ProcessConsumer {
    /// One delivery, or two of one message.
    fn arrive(&self, delivery: Delivery) -> Vec<Delivery> {
        let Delivery { message, delivery_count, settle } = delivery;
        let copy = self.world.plan.twice.then(|| Delivery {
            message: message.clone(),
            delivery_count,
            settle: Box::new(|_| {}),
        });
        let garbage = held(&self.world.log).garbage.get(&message.message_id).copied();
        let unprocessable = garbage.map(|what| Unprocessable {
            sha256: Sha256::digest(&message.body).into(),
            what: what.to_owned(),
        });
        let (world, life) = (Arc::clone(&self.world), Arc::clone(&self.life));
        let settle = Box::new(move |settlement| {
            if life.is_dead() {
                return;
            }
            if let Some(unprocessable) =
                unprocessable.filter(|_| settlement == Settlement::Acknowledge)
            {
                held(&world.log).unprocessable.push(unprocessable);
            }
            settle(settlement);
        });
        [Some(Delivery { message, delivery_count, settle }), copy].into_iter().flatten().collect()
    }
}

impl World {
    fn is_orchestrator(&self, name: &str) -> bool {
        name.starts_with("saga")
    }

    /// Kills a process within a call that it makes now, or just before or after it.
    pub(crate) fn kill_soon(self: &Arc<Self>, name: &Arc<str>, life: &Arc<Life>) {
        let after = [Duration::ZERO, Duration::ZERO, self.dice.time(Duration::ZERO..MOMENT)];
        let Some(after) = self.dice.pick(&after).copied() else { return };
        self.trace.say(name, || "is killed at a call");
        if after.is_zero() {
            life.kill();
            return;
        }
        let life = Arc::clone(life);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            life.kill();
        });
    }
}

/// What a call takes, about.
const MOMENT: Duration = Duration::from_millis(5);
