//! The nemesis: strikes at processes, broker and store while things go wrong.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use saga_bus::InProcess;
use saga_protocol::{ParticipantName, topology};

use crate::{
    fault::Fault,
    forger, held,
    life::Life,
    participant,
    plan::Plan,
    world::{Replica, World},
};

/// What it strikes with.
const STRIKES: [Fault; 16] = [
    Fault::StoreAway,
    Fault::StorePoison,
    Fault::Blocked,
    Fault::Restarted,
    Fault::BrokerAway,
    Fault::QueueDeleted,
    Fault::QueuePurged,
    Fault::QueueFull,
    Fault::Cut,
    Fault::Unplugged,
    Fault::Killed,
    Fault::Stopped,
    Fault::Drained,
    Fault::ParticipantKilled,
    Fault::ParticipantStopped,
    Fault::Forged,
];
/// How long something is away.
const AWAY_MAX_MS: u64 = 4_000;
/// How long a process is stopped: past what an orchestrator takes for sleep.
const STOPPED_MAX_MS: u64 = 25_000;
/// Messages in a queue that is full.
const FULL: usize = 2;

/// Strikes until things go wrong no more.
pub(crate) async fn run(world: Arc<World>) {
    loop {
        tokio::time::sleep(Plan::next_strike(&world.dice)).await;
        if !world.is_stormy() {
            return;
        }
        let is_on = |fault: &Fault| world.plan.rate(*fault) > 0.0;
        let strikes: Vec<_> = STRIKES.into_iter().filter(is_on).collect();
        let Some(fault) = world.dice.pick(&strikes).copied() else { return };
        // The rate is relative: 1 strikes whenever it is its turn.
        if world.strikes(fault) {
            world.trace.say("nemesis", || fault.name());
            strike(&world, fault);
        }
    }
}

fn strike(world: &Arc<World>, fault: Fault) {
    match fault {
        Fault::StoreAway => {
            world.is_store_away.store(true, Ordering::Relaxed);
            later(world, AWAY_MAX_MS, |world| world.is_store_away.store(false, Ordering::Relaxed));
        }
        Fault::StorePoison => {
            let ids: Vec<_> = held(&world.log).accepted.iter().map(|a| a.id).collect();
            *held(&world.poisoned) = world.dice.pick(&ids).copied();
        }
        Fault::Blocked => {
            world.broker.block("the simulation says so");
            later(world, AWAY_MAX_MS, |world| world.broker.unblock());
        }
        Fault::Restarted => world.broker.restart(),
        Fault::BrokerAway => {
            world.broker.down();
            later(world, AWAY_MAX_MS, |world| world.broker.up());
        }
        Fault::QueueDeleted => world.broker.delete_queue(&queue(world)),
        Fault::QueuePurged => world.broker.purge(&queue(world)),
        Fault::QueueFull => {
            let queue = queue(world);
            world.broker.limit(&queue, FULL);
            later(world, AWAY_MAX_MS, move |world| world.broker.limit(&queue, usize::MAX));
        }
        Fault::Cut => {
            world.anybody().cut();
        }
        Fault::Unplugged => {
            let endpoint = world.anybody();
            endpoint.unplug();
            later(world, AWAY_MAX_MS, move |_| endpoint.plug());
        }
        Fault::Killed => {
            if let Some((number, orchestrator)) = world.any_orchestrator() {
                world.trace.say("nemesis", || format!("kills saga-{number}"));
                orchestrator.life.kill();
            }
        }
        Fault::Drained => {
            if let Some((number, orchestrator)) = world.any_orchestrator() {
                world.trace.say("nemesis", || format!("asks saga-{number} to end"));
                orchestrator.stop.cancel();
            }
        }
        Fault::Stopped => {
            if let Some((number, orchestrator)) = world.any_orchestrator() {
                world.trace.say("nemesis", || format!("stops saga-{number}"));
                stop(world, &orchestrator.life, &orchestrator.endpoint);
            }
        }
        Fault::ParticipantKilled => {
            if let Some((name, replica)) = world.any_replica() {
                world.trace.say("nemesis", || format!("kills {name}"));
                replica.life.kill();
            }
        }
        Fault::ParticipantStopped => {
            if let Some((name, replica)) = world.any_replica() {
                world.trace.say("nemesis", || format!("stops {name}"));
                stop(world, &replica.life, &replica.endpoint);
            }
        }
        Fault::Forged => forger::forge(world),
        _ => {}
    }
}

/// Stops a process for a while. The broker may give it up meanwhile.
fn stop(world: &Arc<World>, life: &Arc<Life>, endpoint: &Arc<InProcess>) {
    life.stop();
    if world.dice.happens(0.5) {
        endpoint.unplug();
    }
    let (life, endpoint) = (Arc::clone(life), Arc::clone(endpoint));
    later(world, STOPPED_MAX_MS, move |_| {
        endpoint.plug();
        life.go_on();
    });
}

/// Does something after a while, or as soon as things go wrong no more.
fn later(world: &Arc<World>, max_ms: u64, then: impl FnOnce(&World) + Send + 'static) {
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let until = tokio::time::Instant::now() + world.dice.millis(1..max_ms);
        while world.is_stormy() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        then(&world);
    });
}

/// Any queue.
fn queue(world: &World) -> String {
    let queue = match world.dice.below(5) {
        0 => topology::REPLIES.to_owned(),
        1 => topology::DEAD.to_owned(),
        other => match ParticipantName::new(participant::NAMES[other - 2]) {
            Ok(name) => topology::command_queue(&name),
            Err(error) => unreachable!("{error}"),
        },
    };
    world.trace.say("nemesis", || format!("means {queue}"));
    queue
}

impl World {
    fn any_replica(&self) -> Option<(String, Replica)> {
        let replicas = held(&self.replicas);
        let running: Vec<_> = replicas.iter().filter(|(_, it)| it.life.is_running()).collect();
        self.dice.pick(&running).map(|(name, replica)| ((*name).clone(), (*replica).clone()))
    }

    /// The connection of anybody.
    fn anybody(&self) -> Arc<InProcess> {
        let replica = if self.dice.happens(0.5) { self.any_replica() } else { None };
        if let Some((name, replica)) = replica {
            self.trace.say("nemesis", || format!("means {name}"));
            return replica.endpoint;
        }
        match self.any_orchestrator() {
            Some((number, running)) => {
                self.trace.say("nemesis", || format!("means saga-{number}"));
                running.endpoint
            }
            None => Arc::clone(&self.outsider),
        }
    }
}
