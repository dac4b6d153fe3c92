//! One run: a storm in which everything may go wrong, and the calm after it in which every saga
//! must come to its end.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use saga_bus::Bus;
use saga_checker::{Ended, Seen, SeenSaga, Violation};
use saga_protocol::{ParticipantName, SagaId, topology};
use saga_store::{Dump, JournalRow, Row};
use tokio::{
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::{
    client, definitions,
    dice::Dice,
    fault::Fault,
    held, nemesis, operator, orchestrator, panics,
    participant::{self, Table},
    parts::Parts,
    plan::Plan,
    trace::Trace,
    world::World,
};

/// How long after the last fault every saga has ended or says why not. The longest wait of the
/// definitions is a timeout of thirty seconds, twice, with its undoing after it; an operator who
/// mends makes it a few times that.
const CALM_MAX: Duration = Duration::from_secs(600);
/// Between two looks whether all is over.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often all must be over in a row: what is on its way then has arrived.
const OVER_TIMES: u32 = 4;

/// How a run is made.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Every message arrives twice.
    pub twice: bool,
    /// A trace is kept.
    pub trace: bool,
    /// What the world is made of.
    pub parts: Parts,
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// Sagas by how they ended.
    pub ends: BTreeMap<String, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// How long it took, in its own time.
    pub took: Duration,
    /// The trace, where one was wanted.
    pub trace: Vec<String>,
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, options: &Options) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without IO needs nothing of the system");
    panics::forget();
    let mut outcome = runtime.block_on(simulate(seed, options));
    // Whatever is still waiting ends here.
    drop(runtime);
    for panic in panics::take() {
        outcome.violations.push(Violation { promise: "nothing panics", what: panic });
    }
    outcome
}

async fn simulate(seed: u64, options: &Options) -> Outcome {
    let begun = Instant::now();
    let dice = Dice::of(seed);
    let plan = Plan::draw(&dice, options.twice);
    let trace = Trace::new(options.trace);
    trace.say("plan", || format!("{plan:?}"));
    let world = Arc::new(World::new(dice, plan, options.parts.clone(), trace));
    let tables = populate(&world);
    let clients = storm(&world).await;
    calm_down(&world);
    let is_over = calm(&world, clients).await;
    let seen = see(&world, &tables);
    let mut violations = saga_checker::check(&seen);
    if !is_over && violations.is_empty() {
        let what = format!("not all is still {CALM_MAX:?} after the last fault");
        violations.push(Violation { promise: "every run comes to rest", what });
    }
    violations.iter().for_each(|violation| world.trace.say("checker", || violation));
    let mut ends = BTreeMap::new();
    for saga in &seen.sagas {
        *ends.entry(saga.status.clone()).or_default() += 1;
    }
    // They hold the world, and the world them.
    held(&world.orchestrators).clear();
    held(&world.replicas).clear();
    let (faults, trace) = (world.faults(), world.trace.take());
    Outcome { seed, violations, ends, faults, took: begun.elapsed(), trace }
}

/// Starts all processes.
fn populate(world: &Arc<World>) -> Vec<Arc<Mutex<Table>>> {
    let mut tables = Vec::new();
    for (name, replicas) in participant::NAMES.into_iter().zip(&world.plan.replicas) {
        let name = ParticipantName::new(name).expect("these are names of participants");
        let table = Arc::new(Mutex::new(Table::new(name.clone(), world.parts.identity)));
        for number in 0..*replicas {
            let (world, table) = (Arc::clone(world), Arc::clone(&table));
            tokio::spawn(participant::run(world, name.clone(), number, table));
        }
        tables.push(table);
    }
    for number in 0..world.plan.orchestrators {
        tokio::spawn(orchestrator::run(Arc::clone(world), number));
    }
    tables
}

/// Lets things go wrong for a while.
async fn storm(world: &Arc<World>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for number in 0..world.plan.sagas {
        clients.spawn(client::run(Arc::clone(world), number));
    }
    let nemeses: [JoinHandle<()>; 2] = [
        tokio::spawn(nemesis::run(Arc::clone(world))),
        tokio::spawn(operator::run(Arc::clone(world))),
    ];
    tokio::time::sleep(world.plan.safety).await;
    nemeses.iter().for_each(JoinHandle::abort);
    clients
}

/// From here on nothing goes wrong. What was struck is put up again by whoever struck it.
fn calm_down(world: &World) {
    world.trace.say("nemesis", || "is done: from here on nothing goes wrong");
    world.calm_down();
    world.is_store_away.store(false, Ordering::Relaxed);
    // Who mends can do nothing for a saga that takes no change.
    if world.plan.mends {
        *held(&world.poisoned) = None;
    }
}

/// Waits until all is over; whether it ever was.
async fn calm(world: &World, mut clients: JoinSet<()>) -> bool {
    let until = Instant::now() + CALM_MAX;
    let mut over = 0;
    let mut tries: BTreeMap<SagaId, usize> = BTreeMap::new();
    while Instant::now() < until {
        tokio::time::sleep(LOOK_EVERY).await;
        while clients.try_join_next().is_some() {}
        let rows: Vec<_> = world.memory.dump().sagas.into_iter().map(|(row, _)| row).collect();
        let open: Vec<_> = rows.iter().filter(|row| !is_over(world, row)).collect();
        for row in &open {
            let tries = tries.entry(row.id).or_default();
            if row.status == "stuck" {
                *tries += 1;
            }
            // Nobody looks at a paused saga, so that it would never be set aside; and an order to
            // pause it may be on its way while all else calms down.
            held(&world.poisoned).take_if(|id| row.paused_at.is_some() && *id == row.id);
            operator::mend(world, row, *tries).await;
        }
        let is_still = clients.is_empty() && open.is_empty() && is_quiet(world).await;
        over = if is_still { over + 1 } else { 0 };
        if over >= OVER_TIMES {
            return true;
        }
    }
    false
}

/// Whether a saga has come as far as it must.
fn is_over(world: &World, row: &Row) -> bool {
    row.finished_at.is_some()
        || (row.status == "stuck"
            && row.paused_at.is_none()
            && !world.plan.mends
            && row.wake_at.is_none())
}

/// Whether nothing is on its way.
async fn is_quiet(world: &World) -> bool {
    if world.delayed.load(Ordering::Relaxed) + world.served.load(Ordering::Relaxed) > 0 {
        return false;
    }
    let names = participant::NAMES.iter().filter_map(|name| ParticipantName::new(name).ok());
    let commands = names.map(|name| topology::command_queue(&name));
    let queues = commands.chain([topology::REPLIES.to_owned(), topology::DEAD.to_owned()]);
    for queue in queues {
        if world.outsider.depth(&queue).await != Some(0) {
            return false;
        }
    }
    true
}

fn see(world: &World, tables: &[Arc<Mutex<Table>>]) -> Seen {
    let Dump { sagas, letters, .. } = world.memory.dump();
    let mut log = held(&world.log);
    let tables: Vec<_> = tables.iter().map(|table| held(table)).collect();
    Seen {
        ended: Ended::OrStuck,
        definitions: definitions::by_hash(),
        sagas: sagas.into_iter().map(|(row, journal)| seen(row, journal)).collect(),
        orphans: Vec::new(),
        acts: tables.iter().flat_map(|table| table.acts().iter().cloned()).collect(),
        barrier: tables.iter().flat_map(|table| table.barrier()).collect(),
        ledgers: tables.iter().map(|table| table.ledger()).collect(),
        accepted: std::mem::take(&mut log.accepted),
        told: std::mem::take(&mut log.told),
        sent: std::mem::take(&mut log.sent),
        unprocessable: std::mem::take(&mut log.unprocessable),
        letters: letters.into_iter().map(|letter| letter.sha256).collect(),
    }
}

fn seen(row: Row, journal: Vec<JournalRow>) -> SeenSaga {
    SeenSaga {
        id: row.id,
        definition_hash: row.definition_hash,
        key: row.key,
        status: row.status,
        version: row.version,
        input: row.input,
        state: row.state,
        is_paused: row.paused_at.is_some(),
        wakes: row.wake_at.is_some(),
        is_finished: row.finished_at.is_some(),
        trouble: row.trouble,
        journal: journal.into_iter().map(|row| (row.version, row.entry)).collect(),
    }
}
