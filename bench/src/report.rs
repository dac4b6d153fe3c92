//! What was measured, in the words of the JSON that is printed.

use serde::Serialize;

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// Of the best level.
    pub(crate) sagas_per_s: f64,
    /// Persistent, confirmed messages a second that this broker takes at most, in this run.
    pub(crate) raw_messages_per_s: f64,
    /// Which part of that the best level used, if each of its sagas took the fewest messages.
    pub(crate) ratio_to_limit: f64,
    /// Orders placed at each level.
    pub(crate) sagas: u32,
    /// Steps of each.
    pub(crate) steps: u32,
    /// A command and a reply for each step: fewer do not do it.
    pub(crate) messages_per_saga_min: u32,
    /// Whether the binaries were built with optimization.
    pub(crate) release: bool,
    /// By orders in flight.
    pub(crate) levels: Vec<Level>,
    /// By window.
    pub(crate) raw: Vec<Raw>,
}

/// So many orders in flight.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Level {
    /// Orders in flight.
    pub(crate) in_flight: u32,
    /// Sagas that ended, a second.
    pub(crate) sagas_per_s: f64,
    /// From placing an order until its end is known, half of them.
    pub(crate) p50_ms: f64,
    /// The same, all but the slowest hundredth.
    pub(crate) p99_ms: f64,
    /// Messages that the broker received, as it counts them; `None` where it cannot be asked.
    pub(crate) messages_per_saga: Option<f64>,
    /// Transactions that committed, of everybody.
    pub(crate) commits_per_saga: f64,
    /// Those of the orchestrator.
    pub(crate) orchestrator_commits_per_saga: f64,
    /// Those of the participants.
    pub(crate) participant_commits_per_saga: f64,
}

/// What the broker takes with a window of so many unconfirmed messages.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Raw {
    /// Messages that are sent before their confirms have come.
    pub(crate) window: u32,
    /// Confirmed a second, when nobody consumes.
    pub(crate) confirmed_per_s: f64,
    /// Confirmed, delivered and acknowledged a second.
    pub(crate) carried_per_s: f64,
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
