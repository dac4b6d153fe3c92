//! An orchestrator: the real engine over ports that fail, started anew whenever it died.

use std::{sync::Arc, time::Duration};

use saga_bus::{Bus, Role};
use saga_engine::{Definitions, Engine};
use saga_store::Store;
use tokio_util::sync::CancellationToken;

use crate::{
    bus::ProcessBus,
    definitions,
    fault::Fault,
    held,
    life::Life,
    store::ProcessStore,
    world::{Running, World},
};

/// How long the dead stay dead, at most.
const DOWN_MAX_MS: u64 = 4_000;
/// Before a store that was away is asked again at the start.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Runs it, again and again.
pub(crate) async fn run(world: Arc<World>, number: usize) {
    let name: Arc<str> = format!("saga-{number}").into();
    loop {
        let (running, ended) = boot(&world, &name);
        held(&world.orchestrators).insert(number, running.clone());
        tokio::select! {
            biased;
            () = running.life.died() => {}
            _ = ended => world.trace.say(&name, || "ended in order"),
        }
        held(&world.orchestrators).remove(&number);
        // What it still holds is of no use to it: it can reach nobody.
        running.life.kill();
        running.endpoint.close().await;
        running.stop.cancel();
        if world.is_stormy() {
            tokio::time::sleep(world.dice.millis(1..DOWN_MAX_MS)).await;
        }
    }
}

fn boot(world: &Arc<World>, name: &Arc<str>) -> (Running, tokio::task::JoinHandle<()>) {
    world.trace.say(name, || "starts");
    let (life, endpoint) = (Arc::new(Life::new()), Arc::new(world.broker.connect(Role::Server)));
    let bus: Arc<dyn Bus> = Arc::new(ProcessBus {
        world: Arc::clone(world),
        name: Arc::clone(name),
        life: Arc::clone(&life),
        endpoint: Arc::clone(&endpoint),
    });
    let store: Arc<dyn Store> = Arc::new(ProcessStore {
        world: Arc::clone(world),
        name: Arc::clone(name),
        life: Arc::clone(&life),
    });
    let (store, bus) = ((world.parts.store)(store), (world.parts.bus)(bus));
    let is_other = world.strikes(Fault::OtherVersion);
    let definitions = Arc::new(definitions::served(is_other));
    let chance = Arc::new(world.dice.clone());
    let engine = Engine::new(Arc::clone(&store), bus, Arc::clone(&definitions), chance);
    let stop = CancellationToken::new();
    let running = Running { life, engine: engine.clone(), endpoint, stop: stop.clone() };
    let ended = tokio::spawn(async move {
        publish(&definitions, &*store).await;
        engine.run(stop).await;
    });
    (running, ended)
}

/// What the composition root does before it lets the engine run.
async fn publish(definitions: &Definitions, store: &dyn Store) {
    while definitions.publish(store).await.is_err() {
        tokio::time::sleep(TRY_AGAIN).await;
    }
}
