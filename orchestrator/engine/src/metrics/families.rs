//! The metrics themselves: their names, what they mean, and which labels they have. The order of a
//! family's labels is the one in which `handles` and `mod` fill them in.

use std::borrow::Cow;

use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

/// What every name begins with.
const PREFIX: &str = "saga";
/// From a millisecond, which a round trip through broker and database takes at best, to an hour,
/// past which somebody has been called long ago. In seconds.
const BUCKETS: [f64; 18] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    300.0, 900.0, 3600.0,
];

/// A label: its name and its value.
pub(super) type Label = (&'static str, Cow<'static, str>);
/// Counters, told apart by this many labels.
pub(super) type Counters<const LABELS: usize> = Family<[Label; LABELS], Counter>;
/// Histograms of times in seconds, told apart by this many labels.
pub(super) type Times<const LABELS: usize> = Family<[Label; LABELS], Histogram, fn() -> Histogram>;

/// A label whose value is known when the program is built.
pub(super) const fn word(name: &'static str, value: &'static str) -> Label {
    (name, Cow::Borrowed(value))
}

/// A label whose value a definition names.
pub(super) fn name(name: &'static str, value: &str) -> Label {
    (name, Cow::Owned(value.to_owned()))
}

/// Every metric there is.
pub(super) struct Families {
    pub(super) started: Counters<1>,
    pub(super) ended: Counters<2>,
    pub(super) transitions: Counters<2>,
    pub(super) turned_back: Counters<1>,
    pub(super) stuck: Counters<1>,
    pub(super) overdue: Counters<1>,
    pub(super) late_answers: Counters<1>,
    pub(super) contradictions: Counters<1>,
    pub(super) rejections: Counters<1>,
    pub(super) resent: Counters<1>,
    pub(super) restored: Counters<1>,
    pub(super) unconfirmed: Counters<1>,
    pub(super) parked: Counters<2>,
    pub(super) refused: Counters<1>,
    pub(super) database_errors: Counters<1>,
    pub(super) reloads: Counters<1>,
    pub(super) sidelined: Counter,
    pub(super) loop_panics: Counters<1>,
    pub(super) connections: Counter,
    pub(super) times: Times<2>,
    pub(super) step_times: Times<3>,
    pub(super) bus_state: Family<[Label; 1], Gauge>,
    pub(super) waiting: Family<[Label; 1], Gauge>,
    pub(super) waiters: Gauge,
    pub(super) replies_in_flight: Gauge,
}

impl Families {
    pub(super) fn new() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(BUCKETS);
        Self {
            started: Family::default(),
            ended: Family::default(),
            transitions: Family::default(),
            turned_back: Family::default(),
            stuck: Family::default(),
            overdue: Family::default(),
            late_answers: Family::default(),
            contradictions: Family::default(),
            rejections: Family::default(),
            resent: Family::default(),
            restored: Family::default(),
            unconfirmed: Family::default(),
            parked: Family::default(),
            refused: Family::default(),
            database_errors: Family::default(),
            reloads: Family::default(),
            sidelined: Counter::default(),
            loop_panics: Family::default(),
            connections: Counter::default(),
            times: Family::new_with_constructor(histogram),
            step_times: Family::new_with_constructor(histogram),
            bus_state: Family::default(),
            waiting: Family::default(),
            waiters: Gauge::default(),
            replies_in_flight: Gauge::default(),
        }
    }

    /// All of them under their names. The encoder ends help texts with a full stop, and the names
    /// of counters with `_total`.
    pub(super) fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix(PREFIX);
        self.register_sagas(&mut registry);
        self.register_messages(&mut registry);
        self.register_machinery(&mut registry);
        registry
    }

    fn register_sagas(&self, registry: &mut Registry) {
        let mut count = |name: &str, help: &str, family: &Counters<1>| {
            registry.register(name, help, family.clone());
        };
        count("started", "Sagas started", &self.started);
        count("turned_back", "Sagas that turned back, by cause", &self.turned_back);
        count("stuck", "Times that a saga came to need an operator, by cause", &self.stuck);
        count("overdue", "Sagas whose deadline passed after their pivot was sent", &self.overdue);
        count("late_answers", "Final answers too late to move anything", &self.late_answers);
        count(
            "contradictions",
            "Times that a participant said two things that cannot both be true",
            &self.contradictions,
        );
        let help = "Starts that were answered without a saga of their own, by reason";
        count("starts_refused", help, &self.refused);
        registry.register("ended", "Sagas ended, by status", self.ended.clone());
        let help = "Durable changes of sagas, by the kind of event that led to them";
        registry.register("transitions", help, self.transitions.clone());
        let help = "From a saga's creation to its end";
        registry.register_with_unit("duration", help, Unit::Seconds, self.times.clone());
        let help = "From the decision to send an attempt to its answer";
        let times = self.step_times.clone();
        registry.register_with_unit("step_duration", help, Unit::Seconds, times);
    }

    fn register_messages(&self, registry: &mut Registry) {
        let mut count = |name: &str, help: &str, family: &Counters<1>| {
            registry.register(name, help, family.clone());
        };
        count("rejections", "Events that changed nothing, by reason", &self.rejections);
        count("commands_resent", "Unanswered commands sent again", &self.resent);
        count(
            "commands_restored",
            "Unanswered commands sent to a queue that had to be created",
            &self.restored,
        );
        count(
            "commands_unconfirmed",
            "Commands that count as not sent, by reason",
            &self.unconfirmed,
        );
        let help = "Messages that cannot be processed and were kept as dead letters";
        registry.register("messages_parked", help, self.parked.clone());
        let help = "Replies taken from the broker and not settled yet";
        registry.register("replies_in_flight", help, self.replies_in_flight.clone());
    }

    fn register_machinery(&self, registry: &mut Registry) {
        let help = "Failed calls of the database, by whether trying again can help";
        registry.register("database_errors", help, self.database_errors.clone());
        let help = "Times that the definitions were to be loaded again, by what became of it";
        registry.register("definitions_reloads", help, self.reloads.clone());
        let help = "Looks that failed and set their saga aside for a while";
        registry.register("looks_sidelined", help, self.sidelined.clone());
        let help = "Loops of the engine that panicked and began anew";
        registry.register("loop_panics", help, self.loop_panics.clone());
        let help = "How the broker is: 1 at the state that it is in";
        registry.register("bus_state", help, self.bus_state.clone());
        let help = "Commands that wait in the queue of a participant, as last seen";
        registry.register("commands_waiting", help, self.waiting.clone());
        let help = "Connections made to the broker, the first included";
        registry.register("bus_connections", help, self.connections.clone());
        let help = "Requests that wait for the end of a saga";
        registry.register("waiters", help, self.waiters.clone());
    }
}
