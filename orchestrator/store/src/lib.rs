//! The store: remembers sagas. This file is the table of contents; `port` is what the rest of the
//! product sees, with the lists of `page`, the versions of `version` and the dead letters of
//! `letter`.

mod class;
mod letter;
mod locks;
mod memory;
mod page;
mod paged;
mod port;
mod postgres;
mod settle;
mod sqlite;
mod version;

pub use letter::*;
pub use memory::{Dump, Memory};
pub use page::*;
pub use port::*;
pub use postgres::{Options, Postgres, Unready};
pub use sqlite::{Sqlite, Unusable};
pub use version::*;
