//! The AMQP adapter on a real RabbitMQ. Run with `cargo run -p lab -- test`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod contract;
mod recovery;
mod support;
