//! Private servers and real processes, for the README's commands, the tests and the bench: the one
//! place that knows how to start a RabbitMQ, a Postgres and our own binaries, and how to leave
//! nothing of them behind. It runs binaries and knows none of our crates.

mod binary;
mod broker;
mod database;
mod disk;
mod folder;
mod hosts;
mod http;
mod install;
mod lab;
mod member;
mod ports;
mod process;
mod programs;
mod proxy;
mod queues;
mod servers;
mod settings;
mod shared;
mod spawn;
mod system;
mod url;
pub mod wait;

pub use binary::{Binary, workspace};
pub use broker::{Broker, Vhost};
pub use database::{Database, DatabaseServer, Shutdown};
pub use folder::{Folder, Guarded};
pub use hosts::Hosts;
pub use lab::Lab;
pub use member::{Member, Who};
pub use ports::free_port;
pub use process::{End, Process};
pub use proxy::{Direction, Proxy};
pub use queues::Queues;
pub use servers::Servers;
pub use settings::{Given, cargo};
pub use shared::Shared;
pub use spawn::{Signal, bound_to_us, spawn};
pub use system::{System, SystemSettings};

/// Where words about the progress of long work go.
pub type Report<'a> = &'a (dyn Fn(&str) + Sync);
