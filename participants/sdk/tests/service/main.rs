//! A whole participant on a real Postgres: replicas that race and die, work outside the database, a
//! bus that says no.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod bus;
mod outside;
mod provider;
mod proxy;
mod replicas;
mod serving;
mod support;
mod upgrade;
