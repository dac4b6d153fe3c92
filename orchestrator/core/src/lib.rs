//! Decides. A pure function from definition, saga, event and time to the next saga and what is to
//! be done: no IO, no clock, no randomness, no logging. `definition` turns a file into a checked
//! value; `saga` is the state machine; `rehearsal` plays it through whatever can go wrong;
//! `picture` shows a definition, and `contract` says what its participants must speak.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod contract;
pub mod definition;
pub mod picture;
pub mod rehearsal;
pub mod saga;

pub use definition::{Definition, Diagnostic};
pub use saga::{Birth, Saga, advance, replay};
