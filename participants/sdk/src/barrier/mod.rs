//! The barrier: makes a participant's commands idempotent and orders a compensation against its
//! action.
//!
//! [`judge`] decides and is pure; the adapters beside it only look and write, in the transaction of
//! the business change.

mod judge;
pub(crate) mod postgres;

pub use judge::{At, Found, HORIZON, Question, Record, Refused, State, Verdict, judge};

/// The barrier's table, for Postgres. Participants in other languages may use it as it is.
pub const SCHEMA: &str = include_str!("schema.sql");
