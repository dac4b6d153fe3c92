//! Serving one command, step by step.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use saga_bus::{Bus, Delivery, Publication, Settlement};
use saga_participant::barrier::{At, State, Verdict};
use saga_protocol::{Command, Message, Reply, topology};

use super::{
    Table,
    answer::{self, Fate},
};
use crate::{bus::short, fault::Fault, held, life::Life, parts::Act, world::World};

/// How often a reply is published before its command is given back.
const TRIES_MAX: u32 = 5;
/// Between two tries.
const TRY_AGAIN: Duration = Duration::from_millis(300);
/// How long slow work takes: past most timeouts.
const SLOW_MAX_MS: u64 = 5_000;
/// When a reply comes again.
const LATE_MAX_MS: u64 = 15_000;
/// How often a reply comes that comes often.
const OFTEN_MAX: usize = 20;

/// Where one replica serves commands.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) world: Arc<World>,
    pub(super) name: Arc<str>,
    pub(super) life: Arc<Life>,
    pub(super) bus: Arc<dyn Bus>,
    pub(super) table: Arc<Mutex<Table>>,
}

/// Counts a command that is being served.
struct Serving(Arc<World>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.served.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What came of a command so far.
#[derive(Default)]
struct Served {
    /// What its work comes to.
    fate: Option<Fate>,
    /// What is said.
    reply: Option<Bytes>,
    /// What is yet to be remembered.
    unremembered: Option<(State, Bytes)>,
}

impl Desk {
    /// Serves one command, unless it dies.
    pub(super) async fn serve(&self, delivery: Delivery) {
        self.world.served.fetch_add(1, Ordering::Relaxed);
        let _serving = Serving(Arc::clone(&self.world));
        let Delivery { message, settle, .. } = delivery;
        let Ok(command) = Command::from_message(&message) else {
            return settle(Settlement::Reject);
        };
        self.wait().await;
        let mut served = Served::default();
        let mut settle = Some(settle);
        for act in self.world.parts.serve {
            self.may_die().await;
            match act {
                Act::Commit | Act::Work | Act::Promise => self.work(&command, *act, &mut served),
                Act::Remember => self.remember(&command, &mut served),
                Act::Reply => {
                    if !self.reply(&command, &served).await {
                        if let Some(settle) = settle.take() {
                            settle(Settlement::Requeue);
                        }
                        return;
                    }
                }
                Act::Acknowledge => {
                    if let Some(settle) = settle.take() {
                        settle(Settlement::Acknowledge);
                    }
                }
            }
        }
    }

    async fn wait(&self) {
        let (world, max) = (&self.world, self.world.plan.work_max);
        let slow = world.strikes(Fault::Slow);
        let time = if slow {
            world.dice.millis(1..SLOW_MAX_MS)
        } else {
            world.dice.time(Duration::ZERO..max)
        };
        tokio::time::sleep(time).await;
        self.life.running().await;
    }

    async fn may_die(&self) {
        self.life.running().await;
        if self.world.strikes(Fault::ParticipantKilledServing) {
            self.world.trace.say(&self.name, || "is killed while it serves");
            self.life.kill();
            std::future::pending().await
        }
    }

    /// Asks the barrier and does what it says, in one transaction.
    fn work(&self, command: &Command, act: Act, served: &mut Served) {
        let fate = *served.fate.get_or_insert_with(|| Fate::draw(&self.world, command));
        let Some(question) = answer::question(command) else {
            served.reply = Some(answer::unknown().to_bytes());
            return;
        };
        let at = At { now: self.world.now(), deadline: command.deadline, started: command.started };
        let mut table = held(&self.table);
        let verdict = table.judge(command, question, at, self.world.parts.judge);
        served.reply = answer::without_work(&verdict);
        match verdict {
            Verdict::Work | Verdict::WorkAndBury => {
                let (body, state) = fate.reply(command);
                let reply = body.to_bytes();
                served.reply = Some(reply.clone());
                if act == Act::Promise {
                    return;
                }
                if state == Some(State::Completed) {
                    table.work(command);
                }
                match (state, act) {
                    (Some(state), Act::Commit) => table.remember(command, state, &reply),
                    (Some(state), _) => served.unremembered = Some((state, reply.clone())),
                    (None, _) => {}
                }
                if fate == Fate::CompletesUnknown {
                    served.reply = Some(answer::unknown().to_bytes());
                }
            }
            Verdict::LeaveTombstone => {
                if let Some(reply) = &served.reply {
                    table.leave_tombstone(command, reply);
                }
            }
            _ => {}
        }
        drop(table);
        self.world.trace.say(&self.name, || {
            let (phase, step, attempt) = (command.phase, &command.step, command.attempt);
            let id = command.saga_id.to_string();
            let said = served.reply.as_ref().map(|reply| String::from_utf8_lossy(reply));
            format!("serves {phase} {step} attempt {attempt} of {}: {said:?}", short(&id))
        });
    }

    fn remember(&self, command: &Command, served: &mut Served) {
        if let Some((state, reply)) = served.unremembered.take() {
            held(&self.table).remember(command, state, &reply);
        }
    }

    /// Answers; whether the broker has confirmed it.
    async fn reply(&self, command: &Command, served: &Served) -> bool {
        let Some(reply) = &served.reply else { return true };
        let world = &self.world;
        let often = world.strikes(Fault::RepliesOften);
        let copies = if often { 1 + world.dice.below(OFTEN_MAX) } else { 1 };
        if world.strikes(Fault::RepliesLate) {
            let after = world.dice.millis(1..LATE_MAX_MS);
            world.publish_later(self.publication(command, reply), after);
        }
        for _ in 0..TRIES_MAX {
            let batch = (0..copies).map(|_| self.publication(command, reply)).collect();
            let answers = self.bus.publish(batch).await;
            if answers.iter().any(Result::is_ok) {
                return true;
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
        false
    }

    fn publication(&self, command: &Command, reply: &Bytes) -> Publication {
        let message = Reply::message(command, reply.clone(), self.world.now());
        Publication {
            exchange: topology::REPLIES,
            routing_key: command.participant.to_string(),
            message: Message { message_id: self.world.dice.id(), ..message },
        }
    }
}
