//! The search: every state once, and in every state everything that can happen.

use std::{
    collections::{BTreeMap, HashSet},
    fmt::Write,
    hash::{DefaultHasher, Hash, Hasher},
    rc::Rc,
};

use saga_core::{
    Birth, Definition, Saga, advance, replay,
    saga::{At, Effect, Event, Status, Transition},
};
use saga_protocol::{Json, SagaId, Timestamp};

use crate::{
    laws::{Observed, hold, is_end},
    moves::{self, Manners, Move},
    participants::World,
    plans::{self, Plan},
    reload::reload,
    shape::Shape,
    truth,
};

/// Of the states found, one in so many has its whole journal replayed, besides the ends; replaying
/// all would be most of the work.
const REPLAYED_ONE_IN: u64 = 16;
/// Steps draw different waits from it; all of them are short.
const DRAW: u32 = 1 << 31;

/// A state that was reached, and how.
pub(crate) struct Node {
    pub(crate) saga: Saga,
    pub(crate) shape: Rc<Shape>,
    pub(crate) world: World,
    pub(crate) now: Timestamp,
    /// How many more orders an operator gives.
    pub(crate) patience: u32,
    journal: Rc<Link>,
}

/// A journal, from its end.
struct Link {
    entry: Json,
    before: Option<Rc<Self>>,
}

/// How much was explored.
#[derive(Debug, Default)]
pub(crate) struct Extent {
    pub(crate) definitions: usize,
    pub(crate) states: usize,
    pub(crate) transitions: usize,
    pub(crate) refusals: usize,
    pub(crate) replays: usize,
    pub(crate) ends: BTreeMap<Status, usize>,
}

struct Search<'a> {
    definition: &'a Definition,
    manners: Manners,
    seen: HashSet<u64>,
    open: Vec<Node>,
    extent: &'a mut Extent,
}

impl Extent {
    /// Explores everything that can become of a definition's sagas, with at most `patience` orders
    /// by operators on each way.
    pub(crate) fn explore(&mut self, plan: Plan, manners: Manners, patience: u32) {
        let definition = plan.define();
        self.definitions += 1;
        let (seen, open) = (HashSet::new(), vec![]);
        let mut search = Search { definition: &definition, manners, seen, open, extent: self };
        if let Err(violation) = search.run(patience) {
            panic!("{manners:?} {plan:?}\n{violation}");
        }
    }
}

/// What surrounds a saga after something happened.
struct Around {
    world: World,
    now: Timestamp,
    patience: u32,
}

impl Search<'_> {
    fn run(&mut self, patience: u32) -> Result<(), String> {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let transition = Saga::start(self.definition, birth(), At { now, draw: DRAW });
        let around = Around { world: World::new(self.definition), now, patience };
        self.enter(None, around, transition)?;
        while let Some(node) = self.open.pop() {
            let moves = moves::all(self.definition, &node, self.manners);
            for chosen in moves.map_err(|violation| node.tell(&violation))? {
                self.make(&node, &chosen)
                    .map_err(|violation| node.tell(&format!("{violation}\nby {chosen:?}")))?;
            }
        }
        Ok(())
    }

    fn make(&mut self, node: &Node, chosen: &Move) -> Result<(), String> {
        let at = At { now: chosen.now, draw: DRAW };
        let event = chosen.event.as_ref();
        let made = event.map(|event| advance(self.definition, &node.saga, event, at));
        match (event, made) {
            (Some(event), Some(Ok(transition))) => {
                let is_wrong = moves::must_be_refused(self.definition, node, chosen);
                hold!(!is_wrong, "it is not refused");
                let mut around = node.around(chosen);
                (around.now, around.patience) = (chosen.now, node.patience - chosen.costs());
                if let Event::Operator(order) = event {
                    around.world.obey(self.definition, order);
                }
                self.enter(Some((node, event)), around, transition)
            }
            (_, made) => {
                self.extent.refusals += usize::from(made.is_some());
                self.go_unheard(node, chosen)
            }
        }
    }

    /// A participant may have done something, and the saga does not know or care.
    fn go_unheard(&mut self, node: &Node, chosen: &Move) -> Result<(), String> {
        if chosen.party.is_none() {
            return Ok(());
        }
        let shape = Rc::clone(&node.shape);
        self.keep(&node.saga, shape, node.around(chosen), &node.journal)
    }

    /// Takes a transition: checks it, and keeps what it leads to where that is new.
    fn enter(
        &mut self,
        from: Option<(&Node, &Event)>,
        mut around: Around,
        transition: Transition,
    ) -> Result<(), String> {
        self.extent.transitions += 1;
        let (definition, now) = (self.definition, around.now);
        let shape = Shape::of(definition, &transition.saga, now);
        let observed = Observed { definition, from, now, transition: &transition, after: &shape };
        observed.check()?;
        let Transition { saga, entry, effects, notes } = transition;
        for Effect::Send(command) in &effects {
            around.world.take(definition, command)?;
        }
        if self.manners == Manners::Honest {
            truth::check_notes(&around.world, &notes)?;
        }
        let before = from.map(|(node, _)| Rc::clone(&node.journal));
        let journal = Rc::new(Link { entry, before });
        self.keep(&saga, Rc::new(shape), around, &journal)
    }

    /// Keeps a state where it is new, and goes on with what a store would give back of it.
    fn keep(
        &mut self,
        saga: &Saga,
        shape: Rc<Shape>,
        around: Around,
        journal: &Rc<Link>,
    ) -> Result<(), String> {
        let key = key(&shape, &around);
        if !self.seen.insert(key) {
            return Ok(());
        }
        let Around { world, now, patience } = around;
        if self.manners == Manners::Honest {
            truth::check_end(self.definition, &shape, &world)?;
        }
        self.extent.states += 1;
        if is_end(shape.status) {
            *self.extent.ends.entry(shape.status).or_default() += 1;
        }
        let (saga, journal) = (reload(self.definition, saga)?, Rc::clone(journal));
        let node = Node { saga, shape, world, now, patience, journal };
        if is_end(node.shape.status) || key.is_multiple_of(REPLAYED_ONE_IN) {
            self.extent.replays += 1;
            node.check_replay(self.definition).map_err(|violation| node.tell(&violation))?;
        }
        self.open.push(node);
        Ok(())
    }
}

impl Node {
    /// What surrounds the saga once a participant did its part of a move.
    fn around(&self, chosen: &Move) -> Around {
        let mut world = self.world.clone();
        if let Some((step, party)) = &chosen.party {
            world.parties[*step] = party.clone();
        }
        Around { world, now: self.now, patience: self.patience }
    }

    /// The journal leads to the same saga, byte for byte.
    fn check_replay(&self, definition: &Definition) -> Result<(), String> {
        let journal = self.journal();
        let replayed = replay(definition, birth(), journal.iter().map(|entry| &**entry))
            .map_err(|error| format!("the journal cannot be replayed: {error}"))?;
        let state = self.saga.state_json(definition);
        let again = replayed.state_json(definition);
        hold!(state.get() == again.get(), "the journal leads to {again}");
        let rest = |saga: &Saga| (saga.version, saga.paused_at, saga.created_at);
        hold!(rest(&self.saga) == rest(&replayed), "the journal leads to another version or pause");
        Ok(())
    }

    fn journal(&self) -> Vec<&Json> {
        let links = std::iter::successors(Some(&self.journal), |link| link.before.as_ref());
        let mut entries: Vec<_> = links.map(|link| &link.entry).collect();
        entries.reverse();
        entries
    }

    /// A violation, and everything that led to it.
    fn tell(&self, violation: &str) -> String {
        let mut story = format!("{violation}\nafter\n");
        for entry in self.journal() {
            let _ = writeln!(story, "  {entry}");
        }
        let _ = write!(story, "with {:?}\nand {:?}", self.shape, self.world);
        story
    }
}

/// States of one key have one future. With 64 bits and a million states, two that differ share a
/// key once in some ten million explorations.
fn key(shape: &Shape, around: &Around) -> u64 {
    let mut hasher = DefaultHasher::new();
    (shape, &around.world, around.patience).hash(&mut hasher);
    hasher.finish()
}

fn birth() -> Birth {
    let id = SagaId(uuid::Uuid::from_u128(7));
    Birth { id, key: Some("k".to_owned()), input: plans::input() }
}
