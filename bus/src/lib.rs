//! The bus: carries messages between orchestrator and participants. This file is the port; adapters
//! stand beside it.
//!
//! Delivery is at-least-once in both directions. Nobody may rely on order, on a queue's depth
//! shortly after a restart, or on a confirm as proof that a message will arrive: Postgres is the
//! truth, the bus only makes it fast.

mod amqp;
mod port;

pub use amqp::{Amqp, InvalidUrl, Options, Role};
pub use port::{Bus, Consumer, Delivery, Health, Publication, Settlement, Unpublished};
