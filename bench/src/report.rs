//! What was measured, in the words of the JSON that is printed. `docs/performance.md` says what
//! each figure means.

use std::collections::BTreeMap;

use serde::Serialize;

/// A whole run. At its top stand the figures of the level with the most orders in flight.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// The level with the most orders in flight.
    #[serde(flatten)]
    pub(crate) highest: Level,
    /// Persistent messages a second that this broker takes, confirms and hands over at most, with
    /// nothing else running.
    pub(crate) raw_messages_per_s: f64,
    /// Which part of that this level would use if its sagas took the fewest messages.
    pub(crate) ratio_to_limit: f64,
    /// A command and a reply for each step.
    pub(crate) messages_per_saga_min: u32,
    /// What one saga alone could take at least.
    pub(crate) floor: Floor,
    pub(crate) setup: Setup,
    /// By orders in flight.
    pub(crate) levels: Vec<Level>,
    /// The broker alone, by window, before and after.
    pub(crate) raw: Vec<Raw>,
}

/// One, two, three orchestrators.
#[derive(Debug, Serialize)]
pub(crate) struct Scale {
    pub(crate) setup: Setup,
    /// By orchestrators.
    pub(crate) levels: Vec<Level>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Setup {
    /// Orders placed at each level.
    pub(crate) sagas: u32,
    /// Orders of a hundred that the last step refuses.
    pub(crate) fail_percent: u32,
    /// How often a process was killed.
    pub(crate) kill_every_s: Option<u64>,
    /// Whether stand-ins without a database played the participants.
    pub(crate) engine_only: bool,
    /// Whether the binaries were built with optimization.
    pub(crate) release: bool,
    /// Processors of the machine: everything ran on them.
    pub(crate) processors: usize,
}

/// So many orders in flight.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Level {
    pub(crate) in_flight: u32,
    pub(crate) orchestrators: usize,
    /// Sagas that ended, a second.
    pub(crate) sagas_per_s: f64,
    /// Messages that the broker received, a second.
    pub(crate) messages_per_s: Option<f64>,
    /// From placing an order until its end is known, half of them.
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    /// How sagas ended, by status.
    pub(crate) ends: BTreeMap<String, u32>,
    /// Processes that were killed.
    pub(crate) killed: u32,
    /// Orders that were placed again, because the answer was lost or was no end.
    pub(crate) retries: u32,
    /// Messages that the broker received, as it counts them; `None` where it cannot be asked.
    pub(crate) messages_per_saga: Option<f64>,
    /// Transactions that committed, of orchestrators and participants.
    pub(crate) commits_per_saga: f64,
    pub(crate) orchestrator: PerSaga,
    /// `None` where stand-ins played the participants.
    pub(crate) participants: Option<PerSaga>,
    pub(crate) processes: Vec<Process>,
}

/// What one saga cost a database.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PerSaga {
    pub(crate) commits: f64,
    pub(crate) rows_written: f64,
    pub(crate) rows_inserted: f64,
    pub(crate) rows_updated: f64,
    pub(crate) rows_deleted: f64,
    /// Which part of the updates of `saga.saga` touched no index; `None` where there were none.
    pub(crate) saga_updates_hot: Option<f64>,
    /// `None` where the server does not let us look.
    pub(crate) wal_bytes: Option<f64>,
}

/// What a process used.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Process {
    pub(crate) name: String,
    /// Processor time while orders were placed.
    pub(crate) cpu_s: f64,
    pub(crate) cpu_s_per_1000_sagas: f64,
    /// The most memory it had in RAM while orders were placed.
    pub(crate) peak_mib: f64,
}

/// What the parts of one saga take by themselves, with nothing else running.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Floor {
    /// One row inserted and committed, half of them.
    pub(crate) insert_commit_ms: f64,
    /// One message published to a quorum queue and confirmed, half of them.
    pub(crate) confirmed_publish_ms: f64,
    /// The fewest commits and messages of one saga, and what they take one after the other.
    pub(crate) commits: u32,
    pub(crate) messages: u32,
    pub(crate) floor_ms: f64,
    /// One order in flight, half of them; `None` where that was not measured.
    pub(crate) saga_p50_ms: Option<f64>,
}

/// What the broker alone carries with a window of so many unconfirmed messages.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Raw {
    /// `before` or `after` the levels.
    pub(crate) when: &'static str,
    /// Messages that are sent before their confirms have come.
    pub(crate) window: u32,
    /// Confirmed a second.
    pub(crate) confirmed_per_s: f64,
    /// Delivered and acknowledged a second, meanwhile.
    pub(crate) acknowledged_per_s: f64,
}

impl Raw {
    /// What was carried all the way.
    pub(crate) fn carried_per_s(&self) -> f64 {
        self.confirmed_per_s.min(self.acknowledged_per_s)
    }
}

/// Few and many stored sagas.
#[derive(Debug, Serialize)]
pub(crate) struct Growth {
    pub(crate) setup: Setup,
    pub(crate) in_flight: u32,
    pub(crate) sizes: Vec<Size>,
}

/// So many stored sagas.
#[derive(Debug, Serialize)]
pub(crate) struct Size {
    pub(crate) stored: u32,
    /// How long it took to store them; nothing that the product does.
    pub(crate) prefill_s: f64,
    /// The orchestrator's database, tables and indexes.
    pub(crate) database_mib: f64,
    pub(crate) sagas_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) routes: Vec<Route>,
}

/// Reading, one request after the other.
#[derive(Debug, Serialize)]
pub(crate) struct Route {
    pub(crate) path: String,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Requests that were not answered with what was asked for, such as those that the server
    /// gave up.
    pub(crate) failed: u32,
}

/// What `saga dev` takes and does.
#[derive(Debug, Serialize)]
pub(crate) struct Dev {
    /// From the start of the process until `/readyz` says so, with an empty folder; of several
    /// starts the one in the middle.
    pub(crate) ready_ms: f64,
    /// The same with a folder in which there are sagas.
    pub(crate) ready_again_ms: f64,
    /// Resident memory once it is ready and nothing has happened, in MiB.
    pub(crate) idle_mib: f64,
    /// Resident memory after all levels, in MiB.
    pub(crate) loaded_mib: f64,
    /// Of the best level.
    pub(crate) sagas_per_s: f64,
    /// Orders placed at each level.
    pub(crate) sagas: u32,
    /// Whether the binary was built with optimization.
    pub(crate) release: bool,
    /// By orders in flight.
    pub(crate) levels: Vec<DevLevel>,
}

/// So many orders in flight in `saga dev`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct DevLevel {
    /// Orders in flight.
    pub(crate) in_flight: u32,
    /// Sagas that ended, a second.
    pub(crate) sagas_per_s: f64,
    /// From placing an order until its end is known, half of them.
    pub(crate) p50_ms: f64,
    /// The same, all but the slowest hundredth.
    pub(crate) p99_ms: f64,
}
