//! The barrier: makes a participant's commands idempotent and orders a compensation against its
//! action.
//!
//! [`judge`] decides and is pure; what is beside it only looks and writes, in the transaction of
//! the business change, or of the intent of one outside the database.

pub(crate) mod intents;
mod judge;
mod statements;
pub(crate) mod table;

pub use judge::{At, Found, HORIZON, Question, Record, Refused, State, Verdict, judge};

/// The barrier's table, for Postgres: its versions, each to be run after the one before. What was
/// once applied is never edited. Participants in other languages may use it as it is.
pub const SCHEMA: [&str; 2] = [include_str!("schema.sql"), include_str!("intents.sql")];

/// The same for SQLite.
pub const SCHEMA_SQLITE: [&str; 1] = [include_str!("sqlite.sql")];
