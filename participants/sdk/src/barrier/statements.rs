//! The barrier's statements that are not the same on both databases: those with times or locks.
//! What is common stands where it is used.
//!
//! Times go in and come out as microseconds since 1970. Postgres keeps them as `timestamptz`,
//! SQLite as they are.

use crate::{Tx, tx::Kind};

/// One set of them. All take the same arguments and return the same columns.
pub(super) struct Statements {
    /// Takes an identity: `now` where it is ours, nothing where there is a row, which is then
    /// nobody else's until we are done.
    pub(super) insert: &'static str,
    /// The rows of a step.
    pub(super) find: &'static str,
    /// Makes a row an intent, with a lease from now on.
    pub(super) intend: &'static str,
    /// Gives an intent up that has this lease.
    pub(super) release: &'static str,
    /// Intents whose lease has passed.
    pub(super) lapsed: &'static str,
}

/// Those for the database that the transaction is on.
pub(super) fn of(tx: &Tx) -> &'static Statements {
    match tx.kind() {
        Kind::Postgres => &POSTGRES,
        Kind::Sqlite => &SQLITE,
    }
}

/// In READ COMMITTED: an insert that meets an uncommitted twin waits for its fate, and the update
/// of no row locks the one that is there.
const POSTGRES: Statements = Statements {
    insert: "insert into barrier
            (saga_id, step, phase, body_sha256, outcome, reply, saga_started)
        values ($1, $2, $3, $4, $5, $6,
            timestamptz 'epoch' + $7::bigint * interval '1 microsecond')
        on conflict (saga_id, step, phase) do update set step = excluded.step where false
        returning (extract(epoch from clock_timestamp()) * 1000000)::bigint as now",
    find: "select phase, outcome, body_sha256, reply,
            (extract(epoch from until) * 1000000)::bigint as until,
            (extract(epoch from clock_timestamp()) * 1000000)::bigint as now
        from barrier where saga_id = $1 and step = $2",
    intend: "update barrier set outcome = 'intent', command = $4,
            until = clock_timestamp() + $5::bigint * interval '1 microsecond'
        where saga_id = $1 and step = $2 and phase = $3 and outcome in ('begun', 'intent')
        returning (extract(epoch from until) * 1000000)::bigint as until",
    release: "update barrier set until = null
        where saga_id = $1 and step = $2 and phase = $3 and outcome = 'intent'
            and until = timestamptz 'epoch' + $4::bigint * interval '1 microsecond'",
    lapsed: "select saga_id, step, phase, command from barrier
        where until <= clock_timestamp() order by until limit $1 for update skip locked",
};

/// Transactions take turns, so that there is nobody to wait for.
const SQLITE: Statements = Statements {
    insert: "insert into barrier
            (saga_id, step, phase, body_sha256, outcome, reply, saga_started)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict do nothing
        returning cast(unixepoch('subsec') * 1000000 as integer) as now",
    find: "select phase, outcome, body_sha256, reply, until,
            cast(unixepoch('subsec') * 1000000 as integer) as now
        from barrier where saga_id = $1 and step = $2",
    intend: "update barrier set outcome = 'intent', command = $4,
            until = cast(unixepoch('subsec') * 1000000 as integer) + $5
        where saga_id = $1 and step = $2 and phase = $3 and outcome in ('begun', 'intent')
        returning until",
    release: "update barrier set until = null
        where saga_id = $1 and step = $2 and phase = $3 and outcome = 'intent' and until = $4",
    lapsed: "select saga_id, step, phase, command from barrier
        where until <= cast(unixepoch('subsec') * 1000000 as integer) order by until limit $1",
};
