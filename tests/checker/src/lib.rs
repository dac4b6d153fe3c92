//! The checker: what was promised, held against what was seen once a run is over. Pure, over plain
//! data, so that simulations and runs on real parts are held to the same. It knows the core, whose
//! journals it replays, and nothing of how a promise is kept.
//!
//! In reading order: what was seen (`seen`), then the promises: of each saga's journal (`history`)
//! and how it keeps to its definition (`course`), of what became of the world (`truth`), of clients
//! and messages (`word`).

mod course;
mod history;
mod saga;
mod seen;
mod truth;
mod word;

use std::fmt;

use self::saga::Replayed;
pub use self::seen::{
    Accepted, Act, BarrierRow, Deed, Ended, Ledger, Seen, SeenSaga, SentCommand, Unprocessable,
};

/// A promise that is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub promise: &'static str,
    /// By what.
    pub what: String,
}

impl Violation {
    pub(crate) fn new(promise: &'static str, what: impl Into<String>) -> Self {
        Self { promise, what: what.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.what)
    }
}

/// Every promise that is broken.
#[must_use]
pub fn check(seen: &Seen) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut replayed = Vec::new();
    for saga in &seen.sagas {
        match Replayed::of(saga, &seen.definitions) {
            Ok(one) => replayed.push(one),
            Err(violation) => violations.push(violation),
        }
    }
    for id in &seen.orphans {
        violations.push(Violation::new("a journal has a saga", id.to_string()));
    }
    for saga in &replayed {
        violations.extend(history::check(saga));
        violations.extend(course::check(saga));
        violations.extend(truth::check_end(saga, seen));
    }
    violations.extend(truth::check_acts(seen));
    violations.extend(word::check(seen, &replayed));
    violations
}
