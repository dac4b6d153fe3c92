//! The store: remembers sagas. This file is the table of contents; `port` is what the rest of the
//! product sees.

mod port;
mod postgres;

pub use port::*;
pub use postgres::{Options, Postgres, Unready};
