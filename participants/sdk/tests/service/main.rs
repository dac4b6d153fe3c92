//! A whole participant on real databases: replicas that race and die, work outside the database, a
//! bus that says no.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod bus;
mod file;
#[path = "../ground/mod.rs"]
mod ground;
mod outside;
mod provider;
mod proxy;
mod replicas;
mod serving;
mod support;
mod upgrade;
