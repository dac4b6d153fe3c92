//! Versions of definitions: when each was first kept, and how many sagas still follow it.

use saga_protocol::Timestamp;

/// Which versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Those with these hashes that are known.
    These(Vec<String>),
    /// The newest of one definition.
    Newest {
        /// Its name.
        definition: String,
        /// At most so many.
        limit: u32,
    },
}

/// A version of a definition that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its hash.
    pub hash: String,
    /// The definition's name.
    pub definition: String,
    /// When it was first kept.
    pub first_seen: Timestamp,
}

/// How many sagas of a version have not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// The definition's name.
    pub definition: String,
    /// The version's hash.
    pub hash: String,
    /// Those that go forward.
    pub running: u64,
    /// Those that go back.
    pub compensating: u64,
    /// Those that need an operator.
    pub stuck: u64,
}
