//! What work cost, as servers and kernel count it themselves.

mod broker;
mod database;
mod processes;
mod wal;

pub(crate) use broker::messages;
pub(crate) use database::{Rows, everybody_gone, rows};
pub(crate) use processes::{KIB_PER_MIB, Meter, Root, status_kib};
pub(crate) use wal::{Log, of as bytes_of};
