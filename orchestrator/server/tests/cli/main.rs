//! The command line as its users meet it: what it prints, where, and what it exits with. Needs no
//! servers: the API is played by canned answers.

mod api;
mod check;
mod contract;
mod definitions;
mod graph;
mod operators;
mod schema;
mod simulate;
mod support;
mod usage;
mod watch;
