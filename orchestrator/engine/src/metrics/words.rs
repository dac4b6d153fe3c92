//! What may become the value of a label: words from lists that are known when the program is built,
//! and a few more of causes. Whatever else somebody says is `other`.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use saga_bus::Unpublished;
use saga_core::saga::Event;
use saga_store::{DeadLetter, Error};

/// The value of what is on no list.
pub(super) const OTHER: &str = "other";
/// Codes of participants that are told apart: a few for each of those that definitions may name.
/// Past it they are `other`, so that no participant can make the answer grow.
const CODES_MAX: usize = 256;
/// The longest code that is told apart: it is a word and no message.
const CODE_LENGTH_MAX: usize = 63;

/// The codes that the orchestrator itself gives as a cause.
const OWN_CODES: [&str; 16] = [
    "abandoned",
    "cancelled",
    "deadline_exceeded",
    "effect_missing",
    "expression_failed",
    "failed",
    "internal_error",
    "not_sent",
    "output_invalid",
    "rejected",
    "resolved",
    "state_too_large",
    "stuck",
    "timeout",
    "too_large",
    "unknown",
];

/// Why the engine parks messages, and after these why the broker gave them up.
const PARKED: [&str; 11] = [
    "malformed",
    "not_understood",
    "foreign_participant",
    "body_mismatch",
    "refused",
    "definition_unknown",
    "rejected",
    "delivery_limit",
    "expired",
    "maxlen",
    "dead_lettered",
];

/// What a reply is rejected for that names a saga nobody knows.
pub(crate) const SAGA_UNKNOWN: &str = "saga_unknown";
/// Why events change nothing, orders aside: those that are shown before they happen.
pub(super) const REJECTIONS: [&str; 9] = [
    "duplicate",
    "stale",
    "not_outstanding",
    "unknown_step",
    "foreign_participant",
    "body_mismatch",
    "not_due",
    "unchanged",
    SAGA_UNKNOWN,
];

/// Causes as labels. The codes of participants are theirs, so only so many are told apart.
#[derive(Default)]
pub(super) struct Codes(Mutex<BTreeSet<String>>);

impl Codes {
    /// The label of a code.
    pub(super) fn label(&self, code: &str) -> Cow<'static, str> {
        if let Some(own) = OWN_CODES.into_iter().find(|own| *own == code) {
            return Cow::Borrowed(own);
        }
        let is_word = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
        if code.is_empty() || code.len() > CODE_LENGTH_MAX || !code.chars().all(is_word) {
            return Cow::Borrowed(OTHER);
        }
        // Nothing panics with the lock held.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.contains(code) {
            if known.len() >= CODES_MAX {
                return Cow::Borrowed(OTHER);
            }
            known.insert(code.to_owned());
        }
        Cow::Owned(code.to_owned())
    }
}

/// The stable word that a letter's reason begins with.
pub(super) fn parked(letter: &DeadLetter) -> &'static str {
    let said = letter.reason.split(':').next().unwrap_or_default();
    PARKED.into_iter().find(|word| *word == said).unwrap_or(OTHER)
}

/// Why a command counts as not sent.
pub(super) fn unconfirmed(why: &Unpublished) -> &'static str {
    match why {
        Unpublished::Returned(_) => "returned",
        Unpublished::Refused => "refused",
        Unpublished::Unconfirmed => "unconfirmed",
        Unpublished::Down(_) => "down",
    }
}

/// Whether trying again can help.
pub(super) fn class(error: &Error) -> &'static str {
    match error {
        Error::Transient(_) => "transient",
        Error::Unknown(_) => "unknown",
        Error::Conflict(_) => "conflict",
        Error::Permanent(_) => "permanent",
    }
}

/// Why a start was answered without a saga of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The input does not fit the schema.
    Input,
    /// Key or value cannot be read from the input.
    Expression,
    /// The idempotency key was used with another request.
    OtherRequest,
    /// The business key is in use.
    KeyInUse,
    /// The database has not been reached since the process began.
    NotReady,
    /// A participant that it needs has too much to do.
    Backlog,
    /// Too many wait already.
    Full,
    /// It did not commit in time.
    Slow,
    /// The database refused it or was away.
    Database,
    /// The process ends.
    Ending,
}

impl Refusal {
    pub(super) const ALL: [Self; 10] = [
        Self::Input,
        Self::Expression,
        Self::OtherRequest,
        Self::KeyInUse,
        Self::NotReady,
        Self::Backlog,
        Self::Full,
        Self::Slow,
        Self::Database,
        Self::Ending,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input_invalid",
            Self::Expression => "expression_failed",
            Self::OtherRequest => "idempotency_key_reused",
            Self::KeyInUse => "key_in_use",
            Self::NotReady => "not_ready",
            Self::Backlog => "backlog",
            Self::Full => "queue_full",
            Self::Slow => "not_committed_in_time",
            Self::Database => "database",
            Self::Ending => "ending",
        }
    }
}

/// Kinds of events.
pub(super) const KINDS: [&str; 4] = ["start", "reply", "due", "operator"];

/// How many transitions events of each kind led to, in the order of [`KINDS`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moves(pub(super) [u64; KINDS.len()]);

impl Moves {
    /// That of a start.
    pub(super) const START: Self = Self([1, 0, 0, 0]);

    /// An event led to a transition.
    pub(crate) fn note(&mut self, event: &Event) {
        let kind = match event {
            Event::Reply(_) => 1,
            Event::Due => 2,
            Event::Operator(_) => 3,
        };
        self.0[kind] += 1;
    }
}
