//! The broker fails: it dies, stands still, is out of reach, short of memory or disk, loses what
//! was declared, or does not let us in. Nothing is lost, nothing is done twice, nothing hangs, and
//! whoever looks is told the way out.
//!
//! What befalls a whole broker is done to one of its own (`process.rs`); what befalls one virtual
//! host to the one that all tests share.

mod limits;
mod names;
mod process;
mod refusals;
mod support;
mod topology;
