//! What happens to whom, and when: drawn from a seed, before anything runs.

use std::{fmt, iter, time::Duration};

use lab::Who;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom, seq::SliceRandom};

use crate::ChaosSettings;

/// The last fault comes when this part of the orders has ended, so that it still meets work.
const UNTIL_PERCENT: usize = 90;
/// One fault in so many begins with the one before it.
const TOGETHER: u32 = 3;
/// One stop in so many is a server's.
const SERVERS_STOP: usize = 5;
/// How long the dead stay dead. Longer than a restart takes, shorter than an attempt.
const DEAD: (u64, u64) = (0, 800);
/// How long a server stays away besides what its start takes.
const AWAY: (u64, u64) = (0, 3_000);
/// How long somebody stands still, or a road is broken: more than the five seconds that the payment
/// of an order waits are among them, and less than what a lost connection is noticed by.
const STILL: (u64, u64) = (1_000, 6_000);
/// What a slow road adds to each message's way.
const SLOW: (u64, u64) = (20, 500);

/// A server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// RabbitMQ.
    Broker,
    /// Postgres.
    Database,
}

/// Who or what a fault is done to. Nothing has two faults at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A process of the product.
    Process(Who),
    /// A server.
    Server(Server),
    /// The way of one process to one server.
    Road(Who, Server),
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// SIGKILL, and started again.
    Kill,
    /// SIGSTOP, and SIGCONT.
    Stop,
    /// Asked to end in order, and started again.
    Restart,
    /// All connections are reset and new ones refused.
    Cut,
    /// Everything arrives so much later.
    Slow(Duration),
    /// Connections stay open and nothing flows.
    BlackHole,
}

/// A fault that is to come.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// It begins when so many orders have ended.
    pub moment: usize,
    /// To whom.
    pub place: Place,
    /// What.
    pub deed: Deed,
    /// For how long, at least.
    pub lasts: Duration,
}

impl Fault {
    /// What kind of fault it is, for a report.
    #[must_use]
    pub fn kind(&self) -> String {
        let whose = match self.place {
            Place::Process(Who::Orchestrator(_)) => "orchestrator",
            Place::Process(Who::Participant(..)) => "participant",
            Place::Server(Server::Broker) => "RabbitMQ",
            Place::Server(Server::Database) => "Postgres",
            Place::Road(_, Server::Broker) => "road to RabbitMQ",
            Place::Road(_, Server::Database) => "road to Postgres",
        };
        let what = match self.deed {
            Deed::Kill => "killed",
            Deed::Stop => "stopped",
            Deed::Restart => "restarted in order",
            Deed::Cut => "cut",
            Deed::Slow(_) => "slow",
            Deed::BlackHole => "black-holed",
        };
        format!("{whose} {what}")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        match self.place {
            Place::Process(who) | Place::Road(who, _) => write!(f, "{kind} ({who})"),
            Place::Server(_) => write!(f, "{kind}"),
        }
    }
}

/// Draws a plan, in the order in which faults begin: everybody in turn, in random order, spread
/// evenly over the orders, and some at once.
#[must_use]
pub fn plan(settings: &ChaosSettings, everybody: &[Who]) -> Vec<Fault> {
    let mut random = StdRng::seed_from_u64(settings.seed);
    let mut deeds = processes(&mut random, settings, everybody);
    deeds.extend(servers(settings));
    deeds.extend(roads(&mut random, settings, everybody));
    deeds.shuffle(&mut random);

    let until = settings.orders * UNTIL_PERCENT / 100;
    let all = deeds.len().max(1);
    let mut before = 0;
    let mut faults = Vec::new();
    for (number, (place, deed)) in deeds.into_iter().enumerate() {
        // Somewhere in its share of the orders.
        let (begin, end) = (until * number / all, until * (number + 1) / all);
        let own = random.random_range(begin..end.max(begin + 1));
        before = if random.random_ratio(1, TOGETHER) { before } else { own };
        let (least, most) = match (place, deed) {
            (Place::Server(_), Deed::Kill | Deed::Restart) => AWAY,
            (_, Deed::Kill | Deed::Restart) => DEAD,
            (_, Deed::Stop | Deed::Cut | Deed::Slow(_) | Deed::BlackHole) => STILL,
        };
        let lasts = Duration::from_millis(random.random_range(least..=most));
        faults.push(Fault { moment: before, place, deed, lasts });
    }
    faults
}

type What = (Place, Deed);

/// Kills and stops of processes: of everybody in turn.
fn processes(random: &mut StdRng, settings: &ChaosSettings, everybody: &[Who]) -> Vec<What> {
    let mut everybody = everybody.to_vec();
    let mut turns = |deed, count| -> Vec<What> {
        everybody.shuffle(random);
        let turns = everybody.iter().map(|who| (Place::Process(*who), deed));
        turns.cycle().take(count).collect()
    };
    let stops = settings.stops - settings.stops / SERVERS_STOP;
    [turns(Deed::Kill, settings.kills), turns(Deed::Stop, stops)].concat()
}

/// Kills and stops of servers.
fn servers(settings: &ChaosSettings) -> Vec<What> {
    let repeat = |server, deed, count| iter::repeat_n((Place::Server(server), deed), count);
    let stops = [
        (Server::Broker, Deed::Stop),
        (Server::Database, Deed::Restart),
        (Server::Broker, Deed::Restart),
        (Server::Database, Deed::Stop),
    ];
    let stops = stops.into_iter().cycle().take(settings.stops / SERVERS_STOP);
    repeat(Server::Broker, Deed::Kill, settings.broker_kills)
        .chain(repeat(Server::Database, Deed::Kill, settings.database_kills))
        .chain(stops.map(|(server, deed)| (Place::Server(server), deed)))
        .collect()
}

/// Broken roads, of each kind to each server in turn, and of anybody.
fn roads(random: &mut StdRng, settings: &ChaosSettings, everybody: &[Who]) -> Vec<What> {
    let kinds = (0..settings.cuts).map(|number| {
        let server = if number % 2 == 0 { Server::Broker } else { Server::Database };
        (server, number / 2 % 3)
    });
    let mut draw = |(server, kind)| {
        let who = *everybody.choose(random)?;
        let deed = match kind {
            0 => Deed::Cut,
            1 => Deed::Slow(Duration::from_millis(random.random_range(SLOW.0..=SLOW.1))),
            _ => Deed::BlackHole,
        };
        Some((Place::Road(who, server), deed))
    };
    kinds.filter_map(&mut draw).collect()
}
