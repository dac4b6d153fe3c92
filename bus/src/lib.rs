//! The bus: carries messages between orchestrator and participants. This file is the port; adapters
//! stand beside it.
//!
//! Delivery is at-least-once in both directions. Nobody may rely on order, on a queue's depth
//! shortly after a restart, or on a confirm as proof that a message will arrive: Postgres is the
//! truth, the bus only makes it fast.

mod amqp;
mod in_process;
mod port;
mod role;

pub use amqp::{Amqp, InvalidUrl, Options};
pub use in_process::{Broker, InProcess};
pub use port::{Bus, Consumer, Delivery, Health, Publication, Settle, Settlement, Unpublished};
pub use role::Role;
