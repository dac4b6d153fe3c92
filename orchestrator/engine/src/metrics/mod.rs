//! What is counted of the engine's work, for Prometheus. In reading order: how it is counted (this
//! file); the metrics and their names (`families`); counters with their labels made (`handles`);
//! what may become a label (`words`); the store, counted (`store`).
//!
//! Counted is what this process knows to be durable: a transition whose commit was answered, a
//! message that was parked. What was committed unseen is not, so the sum over all processes is a
//! lower bound of what the journal says.

mod families;
mod handles;
mod store;
#[cfg(test)]
mod tests;
mod words;

use std::{
    borrow::Cow,
    collections::HashMap,
    hash::Hash,
    sync::{Arc, PoisonError, RwLock, atomic::Ordering},
};

use prometheus_client::{encoding::text, metrics::gauge::Gauge, registry::Registry};
use saga_bus::{Health, Unpublished};
use saga_core::{
    Saga,
    saga::{Note, Status},
};
use saga_protocol::{Command, DefinitionName, ParticipantName, topology};
use saga_store::{DeadLetter, Error};

use self::{
    families::{Families, word},
    handles::{OfDefinition, OfParticipant},
    words::{Codes, OTHER},
};
pub(crate) use self::{
    store::Counted,
    words::{Moves, Refusal, SAGA_UNKNOWN},
};
use crate::{
    Definitions, Engine,
    definitions::{Reloaded, Served},
};

/// States of the broker.
const BUS_STATES: [&str; 3] = ["up", "blocked", "down"];
/// Whether trying again can help, as the store's errors say it.
const CLASSES: [&str; 4] = ["transient", "unknown", "conflict", "permanent"];

/// What is counted. There is nothing global: each engine has its own.
///
/// The values of labels are bounded: names of definitions and participants come from definitions
/// that are loaded or stored, all else from lists that are known when the program is built. The one
/// exception are codes of causes, which are a participant's; of those that look like a word the
/// first few hundred are told apart. No key, id, input or text of a client becomes a label, and
/// neither do headers of a message.
pub(crate) struct Metrics {
    registry: Registry,
    families: Families,
    definitions: Handles<DefinitionName, OfDefinition>,
    participants: Handles<ParticipantName, OfParticipant>,
    codes: Codes,
}

impl Metrics {
    /// With everything that these definitions can lead to at 0, so that a first event is seen as an
    /// increase.
    pub(crate) fn new(known: &Definitions) -> Self {
        let families = Families::new();
        let registry = families.registry();
        let (definitions, participants) = (Handles::default(), Handles::default());
        let metrics =
            Self { registry, families, definitions, participants, codes: Codes::default() };
        metrics.show(&known.served());
        for reloaded in Reloaded::ALL {
            metrics.families.reloads.get_or_create_owned(&[word("result", reloaded.as_str())]);
        }
        let families = &metrics.families;
        for reason in words::REJECTIONS {
            families.rejections.get_or_create_owned(&[word("reason", reason)]);
        }
        for refusal in Refusal::ALL {
            families.refused.get_or_create_owned(&[word("reason", refusal.as_str())]);
        }
        for class in CLASSES {
            families.database_errors.get_or_create_owned(&[word("class", class)]);
        }
        metrics
    }

    /// Shows everything that these definitions can lead to from now on, also what stays 0.
    pub(crate) fn show(&self, served: &Served) {
        for definition in served.all() {
            self.definition(&definition.name);
        }
        for participant in served.participants() {
            self.participant(&participant);
        }
    }

    /// The definitions were to be loaded again.
    pub(crate) fn reloaded(&self, reloaded: Reloaded) {
        self.families.reloads.get_or_create(&[word("result", reloaded.as_str())]).inc();
    }

    /// A saga was started: it is durable, with what its first transition led to.
    pub(crate) fn started(&self, saga: &Saga, notes: &[Note]) {
        self.definition(&saga.definition).started.inc();
        self.moved(saga, Moves::START, notes);
    }

    /// Transitions of a saga are durable.
    pub(crate) fn moved(&self, saga: &Saga, moves: Moves, notes: &[Note]) {
        let definition = self.definition(&saga.definition);
        definition.moved(moves);
        for note in notes {
            self.note(note, saga, &definition);
        }
    }

    fn note(&self, note: &Note, saga: &Saga, definition: &OfDefinition) {
        match note {
            Note::TurnedBack(cause) => {
                let labels = [("cause", self.codes.label(&cause.code))];
                self.families.turned_back.get_or_create(&labels).inc();
            }
            Note::Stuck { fault, .. } => self.stuck(&fault.code),
            Note::Overdue => {
                definition.overdue.inc();
            }
            Note::Late { .. } => {
                definition.late_answers.inc();
            }
            Note::Contradiction { .. } => {
                definition.contradictions.inc();
            }
            Note::Answered { participant, phase, outcome, took } => {
                let participant = self.participant(participant);
                if let Some(times) = participant.times(*phase, *outcome, &self.families) {
                    times.observe(took.as_secs_f64());
                }
            }
            Note::Ended(status) => Self::ended(saga, *status, definition),
        }
    }

    fn ended(saga: &Saga, status: Status, definition: &OfDefinition) {
        let Some((count, times)) = definition.end(status) else { return };
        count.inc();
        if let Some(at) = saga.finished_at() {
            times.observe(at.since(saga.created_at).as_secs_f64());
        }
    }

    fn stuck(&self, code: &str) {
        self.families.stuck.get_or_create(&[("cause", self.codes.label(code))]).inc();
    }

    /// An event changed nothing.
    pub(crate) fn rejected(&self, reason: &'static str) {
        self.families.rejections.get_or_create(&[word("reason", reason)]).inc();
    }

    /// These are kept as dead letters.
    pub(crate) fn parked(&self, letters: &[DeadLetter]) {
        for letter in letters {
            let labels =
                [word("reason", words::parked(letter)), ("source", self.source(&letter.source))];
            self.families.parked.get_or_create(&labels).inc();
        }
    }

    /// Our queues by their names. Whoever forges the header that names another is not believed.
    fn source(&self, source: &str) -> Cow<'static, str> {
        let common = [topology::REPLIES, topology::DEAD].into_iter().find(|name| *name == source);
        let of_participant = || self.participants.any(|participant| participant.queue == source);
        match common {
            Some(name) => Cow::Borrowed(name),
            None if of_participant() => Cow::Owned(source.to_owned()),
            None => Cow::Borrowed(OTHER),
        }
    }

    /// Unanswered commands were sent again.
    pub(crate) fn sent_again(&self, participant: &ParticipantName, count: usize) {
        self.participant(participant).resent.inc_by(count as u64);
    }

    /// Commands are being sent to a queue that had to be created.
    pub(crate) fn restored(&self, commands: &[Command]) {
        for command in commands {
            self.participant(&command.participant).restored.inc();
        }
    }

    /// A command counts as not sent.
    pub(crate) fn unconfirmed(&self, why: &Unpublished) {
        let labels = [word("reason", words::unconfirmed(why))];
        self.families.unconfirmed.get_or_create(&labels).inc();
    }

    /// So many commands wait for a participant.
    pub(crate) fn waiting(&self, participant: &ParticipantName, waiting: u64) {
        let gauge = &self.participant(participant).waiting;
        gauge.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// A start was answered without a saga of its own.
    pub(crate) fn refused(&self, why: Refusal) {
        self.families.refused.get_or_create(&[word("reason", why.as_str())]).inc();
    }

    /// A look failed; its saga is set aside, or stuck.
    pub(crate) fn sidelined(&self, is_stuck: bool) {
        self.families.sidelined.inc();
        if is_stuck {
            self.stuck("internal_error");
        }
    }

    /// A loop panicked.
    pub(crate) fn panicked(&self, name: &'static str) {
        self.families.loop_panics.get_or_create(&[word("loop", name)]).inc();
    }

    /// A reply was taken from the broker; it counts until this is dropped.
    pub(crate) fn in_flight(&self) -> InFlight {
        let gauge = self.families.replies_in_flight.clone();
        gauge.inc();
        InFlight(gauge)
    }

    fn store_failed(&self, error: &Error) {
        self.families.database_errors.get_or_create(&[word("class", words::class(error))]).inc();
    }

    fn bus_is(&self, health: &Health) {
        let state = match health {
            Health::Up { connections } => {
                // A connection that was made and lost between two looks is in the next one's count.
                self.families.connections.inner().fetch_max(*connections, Ordering::Relaxed);
                "up"
            }
            Health::Blocked { .. } => "blocked",
            Health::Down { .. } => "down",
        };
        for known in BUS_STATES {
            let gauge = self.families.bus_state.get_or_create_owned(&[word("state", known)]);
            gauge.set(i64::from(known == state));
        }
    }

    fn definition(&self, name: &DefinitionName) -> Arc<OfDefinition> {
        self.definitions.get(name, || OfDefinition::new(name, &self.families))
    }

    fn participant(&self, name: &ParticipantName) -> Arc<OfParticipant> {
        self.participants.get(name, || OfParticipant::new(name, &self.families))
    }
}

impl Engine {
    /// Everything that is counted, as OpenMetrics text. Asks neither database nor broker.
    pub fn metrics(&self) -> String {
        let metrics = &self.0.metrics;
        metrics.bus_is(&self.0.bus.health().borrow());
        metrics.families.waiters.set(i64::try_from(self.0.waiters.count()).unwrap_or(i64::MAX));
        metrics.text()
    }
}

impl Metrics {
    fn text(&self) -> String {
        let mut text = String::new();
        text::encode(&mut text, &self.registry).expect("writing to a text does not fail");
        text
    }
}

/// A reply that was taken from the broker and is not settled.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Handles by name, made when a name is met for the first time.
struct Handles<Name, Of>(RwLock<HashMap<Name, Arc<Of>>>);

impl<Name, Of> Default for Handles<Name, Of> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<Name: Clone + Eq + Hash, Of> Handles<Name, Of> {
    fn get(&self, name: &Name, new: impl FnOnce() -> Of) -> Arc<Of> {
        // A panic with a lock held leaves the map whole.
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        known.unwrap_or_else(|| {
            let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(known.entry(name.clone()).or_insert_with(|| Arc::new(new())))
        })
    }

    fn any(&self, is_wanted: impl Fn(&Of) -> bool) -> bool {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.values().any(|of| is_wanted(of))
    }
}
