//! What a store is to the rest of the product. It keeps rows and knows nothing of what a saga
//! decides: states and journal entries are JSON that it passes through byte for byte.

use async_trait::async_trait;
use saga_protocol::{Json, SagaId, Timestamp};
use uuid::Uuid;

use crate::{
    Closure, DeadLetter, DeadLetterRow, Filter, InFlight, Letters, Page, Paged, Version, Versions,
};

/// Remembers sagas. Cheap to share; all methods may be called from any task at once and may be
/// repeated.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Starts sagas: one transaction, set-based, inserted in key order. Each [`Start`] gets its
    /// [`Started`], in order.
    ///
    /// Exists only where `Ok` was returned; after [`Error::Unknown`] the same start may be
    /// repeated: the same id answers `Created` again.
    async fn start(&self, starts: Vec<Start>) -> Result<Vec<Started>, Error>;

    /// The one way a saga changes: claims sagas, lets `decide` say what becomes of them, writes it,
    /// in one transaction. Row locks first, then the version as a fence. Where the outcome of the
    /// commit is not known this is [`Error::Unknown`], and deciding again from what is then stored
    /// is right.
    async fn transact(&self, claim: Claim, decide: Decide<'_>) -> Result<(), Error>;

    /// Moves `wake_at` of sagas that are still at this version to a later time, in bulk, without a
    /// new version.
    async fn postpone(&self, wakes: &[Postpone]) -> Result<(), Error>;

    /// Moves a saga that could not be looked at away by [`Sideline::until`], or sets it `stuck`, by
    /// plain SQL.
    async fn sideline(&self, sideline: &Sideline) -> Result<(), Error>;

    /// The sagas with these ids that exist, in the order of their ids.
    async fn get(&self, ids: &[SagaId]) -> Result<Vec<Row>, Error>;

    /// The newest saga of a definition with this business key.
    async fn find(&self, definition: &str, key: &str) -> Result<Option<Row>, Error>;

    /// One page of sagas, newest first.
    async fn list(&self, filter: &Filter, page: &Page<SagaId>) -> Result<Paged<Row>, Error>;

    /// One page of sagas that have not ended, in the order of their ids: for rebuilding what a
    /// broker lost. A saga that is stuck in one branch may wait for an answer in another.
    async fn unended(&self, page: &Page<SagaId>) -> Result<Paged<Row>, Error>;

    /// One page of sagas that have a `wake_at`, in the order of that and of their ids: what will be
    /// looked at when. Sagas move while it is read, so one may be on two pages or on none.
    async fn waking(&self, page: &Page<(Timestamp, SagaId)>) -> Result<Paged<Row>, Error>;

    /// One page of a saga's journal in the order of versions, after the version in `page`.
    async fn journal(&self, id: SagaId, page: &Page<i64>) -> Result<Vec<JournalRow>, Error>;

    /// Keeps definitions by content; a known hash is left as it is.
    async fn put_definitions(&self, definitions: &[DefinitionRow]) -> Result<(), Error>;

    /// The definitions with these hashes that are known.
    async fn definitions(&self, hashes: &[String]) -> Result<Vec<DefinitionRow>, Error>;

    /// When versions were first kept, newest first.
    async fn versions(&self, which: &Versions) -> Result<Vec<Version>, Error>;

    /// How many sagas have not ended, for each version that has any, in the order of names and
    /// hashes. Reads what it counts, however many sagas have ended.
    async fn in_flight(&self) -> Result<Vec<InFlight>, Error>;

    /// Keeps what cannot be processed.
    async fn park(&self, letters: &[DeadLetter]) -> Result<(), Error>;

    /// One page of dead letters in the order of their times and ids, newest first.
    async fn letters(
        &self,
        which: Letters,
        page: &Page<(Timestamp, Uuid)>,
    ) -> Result<Paged<DeadLetterRow>, Error>;

    /// The dead letter with this id.
    async fn letter(&self, id: Uuid) -> Result<Option<DeadLetterRow>, Error>;

    /// Closes a letter that is open, for good; it is kept as a record. `false` where none with this
    /// id is open. After [`Error::Unknown`] the letter itself tells whether it was closed.
    async fn close_letter(&self, id: Uuid, closure: &Closure) -> Result<bool, Error>;

    /// Makes the journal's partitions for the days ahead. Idempotent; many processes may call it at
    /// once.
    async fn maintain(&self) -> Result<(), Error>;

    /// The store's clock, and proof that it can be written to.
    async fn now(&self) -> Result<Timestamp, Error>;
}

/// Decides what becomes of claimed sagas. Pure: called once per claim, maybe again after a
/// rollback.
pub type Decide<'a> = &'a mut (dyn FnMut(Claimed) -> Verdict + Send);

/// Which sagas a transaction takes.
#[derive(Clone, Debug)]
pub enum Claim {
    /// These; sagas that another transaction holds are skipped and reported as busy.
    Sagas(Vec<SagaId>),
    /// Up to this many whose `wake_at` has passed, earliest first, skipping those that another
    /// transaction holds.
    Due(u32),
}

/// What a transaction holds.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The store's clock.
    pub now: Timestamp,
    /// The sagas, locked.
    pub rows: Vec<Row>,
    /// Ids that were asked for and that another transaction holds.
    pub busy: Vec<SagaId>,
    /// Ids that were asked for and do not exist.
    pub absent: Vec<SagaId>,
}

/// What becomes of claimed sagas; written in the same transaction.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Sagas that changed, each at most once.
    pub updates: Vec<Update>,
    /// Sagas that did not change and are to be looked at again at this time; no new version.
    pub wakes: Vec<(SagaId, Timestamp)>,
    /// What cannot be processed.
    pub letters: Vec<DeadLetter>,
}

/// The new row of one saga and the journal of how it came there.
#[derive(Clone, Debug)]
pub struct Update {
    /// Which saga.
    pub id: SagaId,
    /// The version that was loaded: the fence.
    pub loaded: i64,
    /// One entry per transition, in order; versions `loaded + 1` and on. The last is the row's new
    /// version.
    pub journal: Vec<Json>,
    /// `running`, `compensating`, … as in the API.
    pub status: &'static str,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// The new state.
    pub state: Json,
    /// What becomes of `wake_at`.
    pub wake: Wake,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl Update {
    /// The version that this leads to.
    #[must_use]
    pub fn version(&self) -> i64 {
        let journaled = i64::try_from(self.journal.len()).unwrap_or(i64::MAX);
        self.loaded.saturating_add(journaled)
    }

    /// What is journaled: the saga, the version that it led to, and the entry.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (SagaId, i64, &Json)> {
        let versions = self.loaded.saturating_add(1)..;
        versions.zip(&self.journal).map(|(version, entry)| (self.id, version, entry))
    }
}

/// What becomes of `wake_at`, which is a lower bound: it is left alone wherever it may be, so that
/// updates stay HOT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// What is stored is early enough.
    Keep,
    /// Look at this time.
    At(Timestamp),
    /// Nobody needs to look.
    Never,
}

/// A saga to start.
#[derive(Clone, Debug)]
pub struct Start {
    /// Its id, made by the caller.
    pub id: SagaId,
    /// Its definition's name.
    pub definition: String,
    /// Its definition's version.
    pub definition_hash: String,
    /// Its business key; unique per definition while its saga is active, stuck or completed.
    pub key: Option<String>,
    /// The `Idempotency-Key`, scope: the definition.
    pub idempotency_key: Option<String>,
    /// The canonical hash of the request.
    pub request_hash: [u8; 32],
    /// The input, never rewritten.
    pub input: Json,
    /// Value at risk: amount in minor units and currency.
    pub value: Option<(i64, String)>,
    /// When it was created, by the store's clock as last known to the caller, shared with the first
    /// journal entry.
    pub created_at: Timestamp,
    /// The first state.
    pub first: Update,
}

/// What became of a start. In this order:
///
/// - An idempotency key that is known decides alone: the same request, or another one.
/// - A business key whose saga is active, stuck or completed is in use. Without an idempotency key
///   the same request is answered by that saga.
/// - A business key whose saga ended otherwise is free for a new idempotency key, and only for
///   that: without one, the newest of its sagas answers as if it still held the key.
#[derive(Clone, Debug)]
pub enum Started {
    /// It is durable.
    Created,
    /// A saga with the same idempotency key, or business key, and the same request exists: this
    /// one.
    Existing(Box<Row>),
    /// The idempotency key was used with another request, by this saga.
    OtherRequest(Box<Row>),
    /// The business key is in use by this saga, with another request.
    KeyInUse(Box<Row>),
}

/// A saga as stored.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub id: SagaId,
    /// Its definition's name.
    pub definition: String,
    /// Its definition's version.
    pub definition_hash: String,
    /// Its business key.
    pub key: Option<String>,
    /// `running`, … as in the API.
    pub status: String,
    /// Since when it is paused.
    pub paused_at: Option<Timestamp>,
    /// Counts its transitions.
    pub version: i64,
    /// Its input.
    pub input: Json,
    /// Its state.
    pub state: Json,
    /// Value at risk.
    pub value: Option<(i64, String)>,
    /// When somebody must look.
    pub wake_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Why the last look at it failed, see [`Sideline`]; its next transition clears this.
    pub trouble: Option<String>,
}

/// One journal entry as stored.
#[derive(Clone, Debug)]
pub struct JournalRow {
    /// When it was written.
    pub at: Timestamp,
    /// The version it led to.
    pub version: i64,
    /// The entry.
    pub entry: Json,
}

/// A definition as stored.
#[derive(Clone, Debug)]
pub struct DefinitionRow {
    /// Its version: the first 12 hex digits of SHA-256 over `body`.
    pub hash: String,
    /// Its name.
    pub name: String,
    /// Canonical JSON.
    pub body: Json,
}

/// A later look at a saga that is confirmed to be waiting.
#[derive(Clone, Copy, Debug)]
pub struct Postpone {
    /// Which saga.
    pub id: SagaId,
    /// Only while it is at this version.
    pub version: i64,
    /// The new time.
    pub wake_at: Timestamp,
}

/// A saga whose look failed.
#[derive(Clone, Debug)]
pub struct Sideline {
    /// Which saga.
    pub id: SagaId,
    /// Look again then; `None` sets it `stuck` instead, with `internal_error` in [`Row::trouble`].
    /// Its state stays as it is, and its next transition frees it.
    pub until: Option<std::time::Duration>,
    /// What went wrong, for the operator.
    pub reason: String,
}

/// Why a store did not do it; the variant says whether trying again can help.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was written, and a later try can succeed: connection lost, deadlock, lock timeout,
    /// out of resources.
    #[error("the store cannot do it now: {0}")]
    Transient(String),
    /// The connection was lost during the commit: it may have been written.
    #[error("the store did not say whether it committed: {0}")]
    Unknown(String),
    /// A fence did not hold: somebody else changed a saga that this transaction had claimed.
    /// Nothing was written.
    #[error("a saga changed under its lock: {0}")]
    Conflict(String),
    /// Nothing was written, and the same try will fail again: a value the store refuses, or a bug.
    #[error("the store refuses it: {0}")]
    Permanent(String),
}
