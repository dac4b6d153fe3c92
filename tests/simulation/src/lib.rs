//! The simulation: real engines, the real core and the real judge over a broker and a store in
//! memory, in virtual time. Everything that can go wrong does so as a seed says, so one seed is one
//! run. First a storm, in which nothing must happen twice and nothing untrue be said; then a calm,
//! in which every saga must come to its end.
//!
//! In reading order: one run (`simulate`) of a `world`, as its `plan` and `dice` say, with the
//! `fault`s that there are; its processes (`orchestrator`, `participant`), their `life` and their
//! ports (`store`, `bus`); those who make trouble (`nemesis`, `forger`, `client`, `operator`); the
//! seam for broken variants (`parts`); many runs (`campaign`).

mod bus;
mod campaign;
mod client;
mod definitions;
mod dice;
mod fault;
mod forger;
mod life;
mod nemesis;
mod operator;
mod orchestrator;
mod panics;
mod participant;
mod parts;
mod plan;
mod simulate;
mod store;
mod trace;
mod world;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use self::{
    campaign::{Campaign, Tally},
    dice::Dice,
    fault::Fault,
    parts::{Act, Parts, Wrap},
    simulate::{Options, Outcome, run},
};

/// The content of a lock. Nothing is awaited with it held; what a panic left is looked at all the
/// same, since the panic is a violation of its own.
pub(crate) fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
