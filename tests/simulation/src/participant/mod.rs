//! A participant, as a small model: the real judge over a table in memory, whose handlers complete,
//! refuse, fail and dawdle as the seed says, and which dies at any of its steps.

mod answer;
mod serve;
mod table;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use saga_bus::{Bus, Role};
use saga_protocol::{ParticipantName, topology};
use tokio::{sync::Semaphore, task::JoinSet};

use self::serve::Desk;
pub(crate) use self::table::Table;
use crate::{
    bus::ProcessBus,
    held,
    life::Life,
    world::{Replica, World},
};

/// Everybody that the definitions ask.
pub(crate) const NAMES: [&str; 3] = ["pay", "stock", "ship"];
/// How long the dead stay dead, at most.
const DOWN_MAX_MS: u64 = 2_000;
/// Commands that one replica takes at once.
const AT_ONCE: usize = 4;

/// Runs one replica, again and again.
pub(crate) async fn run(
    world: Arc<World>,
    participant: ParticipantName,
    number: usize,
    table: Arc<Mutex<Table>>,
) {
    let name: Arc<str> = format!("{participant}-{number}").into();
    loop {
        let life = Arc::new(Life::new());
        let endpoint = Arc::new(world.broker.connect(Role::Participant(participant.clone())));
        let replica = Replica { life: Arc::clone(&life), endpoint: Arc::clone(&endpoint) };
        held(&world.replicas).insert(name.to_string(), replica);
        let bus: Arc<dyn Bus> = Arc::new(ProcessBus {
            world: Arc::clone(&world),
            name: Arc::clone(&name),
            life: Arc::clone(&life),
            endpoint: Arc::clone(&endpoint),
        });
        let bus = (world.parts.participant_bus)(bus);
        let desk = Desk {
            world: Arc::clone(&world),
            name: Arc::clone(&name),
            life: Arc::clone(&life),
            bus,
            table: Arc::clone(&table),
        };
        world.trace.say(&name, || "starts");
        tokio::select! {
            biased;
            () = life.died() => {}
            () = serve(&desk, &participant) => {}
        }
        held(&world.replicas).remove(&*name);
        endpoint.close().await;
        if world.is_stormy() {
            tokio::time::sleep(world.dice.millis(1..DOWN_MAX_MS)).await;
        }
    }
}

/// Serves until dropped.
async fn serve(desk: &Desk, participant: &ParticipantName) {
    let prefetch = [1, 4, 64][desk.world.dice.below(3)];
    let mut commands = desk.bus.consume(&topology::command_queue(participant), prefetch).await;
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    // Dropped with this future: whoever dies leaves nothing running.
    let mut tasks = JoinSet::new();
    while let Some(deliveries) = commands.receive(AT_ONCE).await {
        for delivery in deliveries {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let desk = desk.clone();
            tasks.spawn(async move {
                desk.serve(delivery).await;
                drop(slot);
            });
        }
        while tasks.try_join_next().is_some() {}
    }
    // The bus was closed under it.
    tokio::time::sleep(Duration::from_secs(1)).await;
}
