//! What everybody in a run shares: the seed's chance and plan, the trace, store and broker, and the
//! record of what was seen.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use futures_util::FutureExt;
use saga_bus::{Broker, Bus, InProcess, Publication, Role};
use saga_checker::{Accepted, SentCommand, Unprocessable};
use saga_engine::Engine;
use saga_protocol::{BodyHash, Command, SagaId, Timestamp};
use saga_store::{Memory, Row, Store};
use uuid::Uuid;

use crate::{dice::Dice, fault::Fault, held, life::Life, parts::Parts, plan::Plan, trace::Trace};

/// One run.
pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) plan: Plan,
    pub(crate) parts: Parts,
    pub(crate) trace: Trace,
    pub(crate) memory: Memory,
    /// The memory, as the variant has it.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) broker: Broker,
    /// A connection of its own, for what is no process of ours: late copies, forgers.
    pub(crate) outsider: Arc<InProcess>,
    /// Whether things go wrong.
    stormy: AtomicBool,
    /// Messages that are on their way for longer.
    pub(crate) delayed: AtomicUsize,
    /// Commands that participants are at.
    pub(crate) served: AtomicUsize,
    /// Whether the store is away.
    pub(crate) is_store_away: AtomicBool,
    /// The saga of which the store takes no change.
    pub(crate) poisoned: Mutex<Option<SagaId>>,
    /// The orchestrators, by number, while they run.
    pub(crate) orchestrators: Mutex<BTreeMap<usize, Running>>,
    /// The replicas of participants, by name, while they run.
    pub(crate) replicas: Mutex<BTreeMap<String, Replica>>,
    pub(crate) log: Mutex<Log>,
    faults: Mutex<BTreeMap<Fault, u64>>,
}

/// An orchestrator that runs.
#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) life: Arc<Life>,
    pub(crate) engine: Engine,
    pub(crate) endpoint: Arc<InProcess>,
    /// Ends it in order.
    pub(crate) stop: tokio_util::sync::CancellationToken,
}

/// A replica of a participant that runs.
#[derive(Clone)]
pub(crate) struct Replica {
    pub(crate) life: Arc<Life>,
    pub(crate) endpoint: Arc<InProcess>,
}

/// What is seen while a run goes on.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) accepted: Vec<Accepted>,
    /// Ends that clients were told of.
    pub(crate) told: Vec<(SagaId, String)>,
    pub(crate) sent: Vec<SentCommand>,
    pub(crate) unprocessable: Vec<Unprocessable>,
    /// The messages that cannot be processed, by id, and what they are.
    pub(crate) garbage: BTreeMap<Uuid, &'static str>,
    /// The commands already noted, with these bytes.
    noted: HashSet<(SagaId, String, &'static str, u32, BodyHash)>,
}

impl World {
    pub(crate) fn new(dice: Dice, plan: Plan, parts: Parts, trace: Trace) -> Self {
        let (times, max) = (dice.clone(), plan.commit_max);
        let memory = Memory::that_takes(move || {
            if max.is_zero() { max } else { times.time(std::time::Duration::ZERO..max) }
        });
        let broker = Broker::new();
        Self {
            store: (parts.shared_store)(Arc::new(memory.clone())),
            outsider: Arc::new(broker.connect(Role::Server)),
            dice,
            plan,
            parts,
            trace,
            memory,
            broker,
            stormy: AtomicBool::new(true),
            delayed: AtomicUsize::new(0),
            served: AtomicUsize::new(0),
            is_store_away: AtomicBool::new(false),
            poisoned: Mutex::default(),
            orchestrators: Mutex::default(),
            replicas: Mutex::default(),
            log: Mutex::default(),
            faults: Mutex::default(),
        }
    }

    /// Whether a fault strikes now; it is counted.
    pub(crate) fn strikes(&self, fault: Fault) -> bool {
        let strikes = self.is_stormy() && self.dice.happens(self.plan.rate(fault));
        if strikes {
            self.count(fault);
        }
        strikes
    }

    pub(crate) fn count(&self, fault: Fault) {
        *held(&self.faults).entry(fault).or_default() += 1;
    }

    pub(crate) fn is_stormy(&self) -> bool {
        self.stormy.load(Ordering::Relaxed)
    }

    /// From now on nothing goes wrong any more.
    pub(crate) fn calm_down(&self) {
        self.stormy.store(false, Ordering::Relaxed);
    }

    pub(crate) fn faults(&self) -> BTreeMap<Fault, u64> {
        held(&self.faults).clone()
    }

    /// The time of the one clock.
    pub(crate) fn now(&self) -> Timestamp {
        match self.memory.now().now_or_never() {
            Some(Ok(now)) => now,
            _ => unreachable!("the store in memory tells the time at once"),
        }
    }

    /// A saga as it is now.
    pub(crate) fn row(&self, id: SagaId) -> Option<Row> {
        self.memory.get(&[id]).now_or_never()?.ok()?.pop()
    }

    /// An orchestrator that can be asked now.
    pub(crate) fn any_orchestrator(&self) -> Option<(usize, Running)> {
        let orchestrators = held(&self.orchestrators);
        let running: Vec<_> = orchestrators.iter().filter(|(_, o)| o.life.is_running()).collect();
        self.dice.pick(&running).map(|(number, running)| (**number, (*running).clone()))
    }

    /// Notes a command that leaves, with the version that is committed now.
    pub(crate) fn note_sent(&self, publication: &Publication) -> Option<Command> {
        let command = Command::from_message(&publication.message).ok()?;
        let Command { saga_id, step, phase, attempt, .. } = &command;
        let body = BodyHash::of(&command.body);
        // The first time is the one that matters, for versions only grow.
        let place = (*saga_id, step.to_string(), phase.as_str(), *attempt, body);
        let mut log = held(&self.log);
        if log.noted.insert(place) {
            let committed = self.row(*saga_id).map_or(0, |row| row.version);
            let (saga_id, step, phase, attempt) = (*saga_id, step.clone(), *phase, *attempt);
            log.sent.push(SentCommand { saga_id, step, phase, attempt, body, committed });
        }
        drop(log);
        Some(command)
    }

    /// Publishes a copy later, past everything that goes wrong on the way.
    pub(crate) fn publish_later(
        self: &Arc<Self>,
        publication: Publication,
        after: std::time::Duration,
    ) {
        let world = Arc::clone(self);
        world.delayed.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            world.outsider.publish(vec![publication]).await;
            world.delayed.fetch_sub(1, Ordering::Relaxed);
        });
    }
}
