//! What to do with a command, given what the barrier remembers. Pure: adapters and simulation share
//! it.
//!
//! After the sub-transaction barrier of DTM (<https://en.dtm.pub/practice/barrier.html>), which
//! names the three troubles: a duplicate, a compensation whose action never came, and an action
//! that comes after its compensation. Beyond it, the barrier keeps the reply, so that a repeat is
//! answered like the first; tells commands of one identity apart by their bodies; and does not
//! believe a participant that lost its memory.

use std::time::Duration;

use bytes::Bytes;
use saga_protocol::{BodyHash, Knowledge, Timestamp};

/// Rows of sagas that began less than this ago are all there: no purge may remove them. Far above
/// the time that a command can take to come back, which is its deadline of a day, or an operator's
/// weekend.
pub const HORIZON: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What a row says of its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It took effect.
    Completed,
    /// It was refused for good; actions only.
    Rejected,
    /// It was compensated before it arrived, or before anybody knew what became of it, and must
    /// never take effect; actions only.
    Tombstone,
    /// It is being done outside the database, was begun and given up, or nobody knows: it may have
    /// taken effect. Whoever does it stores what it came to.
    Intent {
        /// Until then whoever began it is at it, and nobody else. `None` once he has given up.
        until: Option<Timestamp>,
    },
}

/// A row of the barrier that another transaction has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What became of the command.
    pub state: State,
    /// Of the command's body; a tombstone that came before its action has that of the
    /// compensation that left it.
    pub body: BodyHash,
    /// The body of the reply, of the same command. Empty for an intent.
    pub reply: Bytes,
}

/// The rows of a step. A query and a compensation need both, an action only its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The row of its action.
    pub action: Option<Record>,
    /// The row of its compensation.
    pub compensation: Option<Record>,
}

/// What of a command the verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Do it.
    Action {
        /// The hash of its body.
        body: BodyHash,
    },
    /// Undo it.
    Compensation {
        /// The hash of its body.
        body: BodyHash,
        /// What the orchestrator knows of the action.
        action: Knowledge,
    },
    /// What became of the action?
    Query,
}

/// The times a verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// Now, by the clock of the barrier's database.
    pub now: Timestamp,
    /// No work starts later than this.
    pub deadline: Timestamp,
    /// When the saga began.
    pub started: Timestamp,
}

/// What to do with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Run the handler: with its transaction, or, where it works outside the database, after an
    /// intent with a lease is written and committed. Where there is an intent already, it is
    /// taken over.
    Work,
    /// Run the handler of the compensation as for [`Verdict::Work`], and in the transaction that
    /// writes the compensation's row make the action's intent a tombstone: what became of the
    /// action is not known, so there may be something to undo.
    WorkAndBury,
    /// Acknowledge and answer nothing: somebody is at work on this very command and will answer it.
    /// Nothing is written.
    InProgress,
    /// Answer this again. Nothing is written.
    Repeat(Bytes),
    /// Answer "completed, nothing to undo" and leave a tombstone, so that the action never takes
    /// effect.
    LeaveTombstone,
    /// Answer "completed, nothing to undo". Nothing is written.
    NothingToUndo,
    /// Answer `rejected`, code `compensated_already`. Nothing is written.
    CompensatedAlready,
    /// Answer `unknown`: there is no trace of the action. Nothing is written.
    NoTrace,
    /// Answer `unknown`: the action was begun, and what became of it is not known. Nothing is
    /// written.
    Undecided,
    /// Answer `failed` with this reason. Nothing is written.
    Refuse(Refused),
}

/// Why a command is not served at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A command of this identity came before with another body.
    BodyMismatch,
    /// There may be an effect that the barrier does not know: its memory was lost, or purged.
    EffectMissing,
    /// The command's deadline has passed.
    Expired,
    /// Its action is being done, outside the database: to be undone once that has ended.
    InProgress,
}

/// Decides. Total: every combination of rows and question has an answer.
#[must_use]
pub fn judge(found: &Found, question: Question, at: At) -> Verdict {
    match question {
        Question::Action { body } => forward(found.action.as_ref(), body, at),
        Question::Compensation { body, action } => backward(found, body, action, at),
        Question::Query => query(found.action.as_ref()),
    }
}

fn forward(action: Option<&Record>, body: BodyHash, at: At) -> Verdict {
    let Some(record) = action else {
        return in_time(Verdict::Work, at);
    };
    match record.state {
        State::Tombstone => Verdict::CompensatedAlready,
        State::Completed | State::Rejected | State::Intent { .. } => again(record, body, at),
    }
}

fn backward(found: &Found, body: BodyHash, knowledge: Knowledge, at: At) -> Verdict {
    if let Some(done) = &found.compensation {
        return again(done, body, at);
    }
    let Some(action) = &found.action else {
        let remembered = at.now.since(at.started) < HORIZON;
        return match knowledge {
            Knowledge::Unknown if remembered => in_time(Verdict::LeaveTombstone, at),
            Knowledge::Unknown | Knowledge::Completed => Verdict::Refuse(Refused::EffectMissing),
        };
    };
    match (action.state, knowledge) {
        (State::Completed, _) => in_time(Verdict::Work, at),
        (State::Rejected, Knowledge::Unknown) => Verdict::NothingToUndo,
        (State::Tombstone, Knowledge::Unknown) => again(action, body, at),
        (State::Intent { until }, _) if is_held(until, at) => Verdict::Refuse(Refused::InProgress),
        (State::Intent { .. }, _) => in_time(Verdict::WorkAndBury, at),
        // The orchestrator has seen an effect that this memory has never known.
        (State::Rejected | State::Tombstone, Knowledge::Completed) => {
            Verdict::Refuse(Refused::EffectMissing)
        }
    }
}

fn query(action: Option<&Record>) -> Verdict {
    match action {
        None => Verdict::NoTrace,
        Some(record) => match record.state {
            State::Tombstone => Verdict::CompensatedAlready,
            State::Intent { .. } => Verdict::Undecided,
            State::Completed | State::Rejected => Verdict::Repeat(record.reply.clone()),
        },
    }
}

/// The command of this row has come again.
fn again(record: &Record, body: BodyHash, at: At) -> Verdict {
    if record.body != body {
        return Verdict::Refuse(Refused::BodyMismatch);
    }
    match record.state {
        State::Intent { until } if is_held(until, at) => Verdict::InProgress,
        State::Intent { .. } => in_time(Verdict::Work, at),
        State::Completed | State::Rejected | State::Tombstone => {
            Verdict::Repeat(record.reply.clone())
        }
    }
}

/// Whether somebody is at it. At the very end of his time he no longer is.
fn is_held(until: Option<Timestamp>, at: At) -> bool {
    until.is_some_and(|until| at.now < until)
}

/// What writes something new is refused after the deadline; what only answers is not.
fn in_time(verdict: Verdict, at: At) -> Verdict {
    if at.now > at.deadline { Verdict::Refuse(Refused::Expired) } else { verdict }
}
