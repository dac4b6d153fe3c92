//! Operators: order something now and then while things go wrong, and mend what is stuck after.

use std::sync::Arc;

use saga_core::saga::{Order, Resolution, StepStatus, Verb};
use saga_protocol::{SagaId, StepName};
use saga_store::Row;

use crate::{bus::short, definitions, fault::Fault, held, plan::Plan, world::World};

/// How often what is stuck is tried anew before it is settled by hand.
const RETRIES: usize = 3;

/// Orders at random while things go wrong.
pub(crate) async fn run(world: Arc<World>) {
    while world.is_stormy() {
        tokio::time::sleep(Plan::next_strike(&world.dice)).await;
        if world.strikes(Fault::Ordered) {
            let ids: Vec<_> = held(&world.log).accepted.iter().map(|a| a.id).collect();
            let Some(id) = world.dice.pick(&ids).copied() else { continue };
            if let Some(verb) = draw(&world, id) {
                let world = Arc::clone(&world);
                tokio::spawn(async move { order(&world, id, verb).await });
            }
        }
    }
}

fn draw(world: &World, id: SagaId) -> Option<Verb> {
    let dice = &world.dice;
    let definition = definitions::by_hash().remove(&world.row(id)?.definition_hash)?;
    let step = dice.pick(&definition.steps)?.name.clone();
    Some(match dice.below(12) {
        0..=2 => Verb::Cancel,
        3 | 4 => Verb::Pause,
        5 | 6 => Verb::Resume,
        7 => Verb::Retry { step: None },
        8 => Verb::Retry { step: Some(step) },
        9 => Verb::Skip { step },
        10 => Verb::Resolve { step, resolution: resolution(world) },
        _ if dice.happens(0.3) => Verb::Abandon,
        _ => return None,
    })
}

fn resolution(world: &World) -> Resolution {
    match world.dice.below(2) {
        0 => Resolution::Completed { output: None },
        _ => Resolution::Rejected,
    }
}

/// Gives an order to any orchestrator; whether it was carried out.
async fn order(world: &World, id: SagaId, verb: Verb) -> bool {
    let Some((number, orchestrator)) = world.any_orchestrator() else { return false };
    let said = format!("{verb:?}");
    let order = Order { verb, actor: "simulation".to_owned(), reason: "to see".to_owned() };
    let answer = tokio::select! {
        biased;
        () = orchestrator.life.died() => None,
        answer = orchestrator.engine.order(id, order) => Some(answer),
    };
    world.trace.say("operator", || {
        let id = id.to_string();
        let answer = match &answer {
            None => "no answer".to_owned(),
            Some(Ok(snapshot)) => snapshot.row.status.clone(),
            Some(Err(error)) => error.to_string(),
        };
        format!("orders saga-{number} to {said} {}: {answer}", short(&id))
    });
    matches!(answer, Some(Ok(_)))
}

/// Lets go what is paused, and mends what is stuck: tries it anew, and at last settles it by hand.
pub(crate) async fn mend(world: &World, row: &Row, tries: usize) {
    if row.paused_at.is_some() {
        order(world, row.id, Verb::Resume).await;
        return;
    }
    if row.status != "stuck" || !world.plan.mends {
        return;
    }
    if tries < RETRIES && order(world, row.id, Verb::Retry { step: None }).await {
        return;
    }
    if let Some((step, status)) = stuck_step(row) {
        if status == StepStatus::CompensationFailed && world.dice.happens(0.5) {
            order(world, row.id, Verb::Skip { step }).await;
            return;
        }
        let resolution = Resolution::Completed { output: None };
        if order(world, row.id, Verb::Resolve { step, resolution }).await {
            return;
        }
    }
    if tries > 2 * RETRIES {
        order(world, row.id, Verb::Abandon).await;
    }
}

/// The first step that needs somebody.
fn stuck_step(row: &Row) -> Option<(StepName, StepStatus)> {
    #[derive(serde::Deserialize)]
    struct State {
        steps: Vec<Step>,
    }
    #[derive(serde::Deserialize)]
    struct Step {
        name: StepName,
        status: StepStatus,
    }
    let state: State = serde_json::from_str(row.state.get()).ok()?;
    let is_stuck = |status| matches!(status, StepStatus::Failed | StepStatus::CompensationFailed);
    let stuck = state.steps.into_iter().find(|step| is_stuck(step.status))?;
    Some((stuck.name, stuck.status))
}
