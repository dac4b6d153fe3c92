//! Clients: start sagas with keys, and repeat what nobody answered.

use std::{sync::Arc, time::Duration};

use saga_checker::Accepted;
use saga_core::Definition;
use saga_engine::{Snapshot, StartError, StartRequest, Started};
use saga_protocol::Json;
use serde_json::value::RawValue;

use crate::{
    bus::short,
    definitions,
    fault::Fault,
    held,
    world::{Running, World},
};

/// Before a start that nobody accepted is repeated.
const AGAIN_MAX_MS: u64 = 2_000;
/// How long a client waits for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many clients wait for the end of their saga.
const WAITS: f64 = 0.3;
/// For how long they do.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// What one client wants.
#[derive(Clone)]
struct Wish {
    name: Arc<str>,
    definition: Arc<Definition>,
    idempotency_key: Option<String>,
    input: Json,
    /// What makes two starts the same; a client without it does not repeat itself.
    key: Option<String>,
}

/// What one start came to.
enum Answer {
    /// It is done with.
    Final,
    /// Nobody knows, or nothing happened.
    Again,
}

/// Starts one saga, however long it takes.
pub(crate) async fn run(world: Arc<World>, number: usize) {
    tokio::time::sleep(world.dice.time(Duration::ZERO..world.plan.safety)).await;
    let Some(wish) = Wish::draw(&world, number) else { return };
    loop {
        let answer = if world.strikes(Fault::StartedTwice) && wish.key.is_some() {
            let (one, other) = tokio::join!(start(&world, &wish), start(&world, &wish));
            if matches!(one, Answer::Final) { one } else { other }
        } else {
            start(&world, &wish).await
        };
        if matches!(answer, Answer::Final) || wish.key.is_none() {
            return;
        }
        tokio::time::sleep(world.dice.millis(1..AGAIN_MAX_MS)).await;
    }
}

impl Wish {
    fn draw(world: &World, number: usize) -> Option<Self> {
        let dice = &world.dice;
        let (_, definition) = dice.pick(definitions::all())?;
        // Some share a business key.
        let id = if dice.happens(0.2) { number / 2 } else { number };
        let yes = dice.happens(0.5);
        let text = format!("{{\"id\":\"k-{id}\",\"n\":{number},\"yes\":{yes}}}");
        let input = RawValue::from_string(text).expect("it is written here as JSON");
        let idempotency_key = dice.happens(0.7).then(|| format!("i-{number}"));
        let business_key = definition.expose.as_ref().map(|_| format!("k-{id} n {number}"));
        let scope = &definition.name;
        let key = idempotency_key.clone().or(business_key).map(|key| format!("{scope}/{key}"));
        let name = format!("client-{number}").into();
        Some(Self { name, definition: Arc::clone(definition), idempotency_key, input, key })
    }
}

async fn start(world: &World, wish: &Wish) -> Answer {
    let Some((number, orchestrator)) = world.any_orchestrator() else { return Answer::Again };
    // Whoever serves another version starts that.
    let current = orchestrator.engine.definitions().current(wish.definition.name.as_str());
    let request = StartRequest {
        definition: current.unwrap_or_else(|| Arc::clone(&wish.definition)),
        idempotency_key: wish.idempotency_key.clone(),
        input: wish.input.clone(),
    };
    world.trace.say(&wish.name, || format!("asks saga-{number} to start"));
    let answer = tokio::select! {
        biased;
        () = orchestrator.life.died() => None,
        answer = orchestrator.engine.start(request) => Some(answer),
        () = tokio::time::sleep(PATIENCE) => None,
    };
    // What a dead or stopped process says is not heard.
    let answer = answer.filter(|_| orchestrator.life.is_running());
    match answer {
        Some(Ok(Started::Created(snapshot) | Started::Existing(snapshot))) => {
            let id = snapshot.row.id;
            world.trace.say(&wish.name, || format!("was told {}", short(&id.to_string())));
            held(&world.log).accepted.push(Accepted { id, key: wish.key.clone() });
            if world.dice.happens(WAITS) {
                wait(world, orchestrator, snapshot).await;
            }
            Answer::Final
        }
        Some(Ok(Started::OtherRequest(_) | Started::KeyInUse(_))) => Answer::Final,
        Some(Err(StartError::Input(_) | StartError::Expression(_))) => Answer::Final,
        Some(Err(StartError::Unavailable(_) | StartError::Overloaded(_))) | None => Answer::Again,
    }
}

/// Waits for the end of a saga, and notes what it was told.
async fn wait(world: &World, orchestrator: Running, snapshot: Snapshot) {
    let ended = tokio::select! {
        biased;
        () = orchestrator.life.died() => return,
        ended = orchestrator.engine.wait(snapshot, WAIT_MAX) => ended,
    };
    if ended.is_ended() && orchestrator.life.is_running() {
        held(&world.log).told.push((ended.row.id, ended.row.status));
    }
}
