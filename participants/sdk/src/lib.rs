//! What a participant in Rust stands on: it consumes commands, guards them with the barrier, runs
//! the handlers, replies.
//!
//! A participant says what its actions do; that a command arriving twice, late, or in the wrong
//! order does no harm is the business of this crate. Delivery is at-least-once, effects are once:
//! the barrier's row and the business change commit in one transaction of the participant's own
//! database.
//!
//! ```no_run
//! use saga_participant::{Context, Error, Participant, Refusal, Tx, Undo};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! struct Book { seats: i64 }
//! #[derive(Serialize)]
//! struct Booked { seats: i64 }
//!
//! async fn book(tx: &mut Tx, input: Book, context: &Context) -> Result<Booked, Error> {
//!     let sql = "update flight set free = free - $1 where free >= $1";
//!     if tx.execute(sql, &[&input.seats]).await? == 0 {
//!         return Err(Refusal::new("fully_booked", "no seats are left").into());
//!     }
//!     let sql = "insert into booking (saga_id, seats) values ($1, $2)";
//!     tx.execute(sql, &[&context.saga_id, &input.seats]).await?;
//!     Ok(Booked { seats: input.seats })
//! }
//!
//! async fn unbook(tx: &mut Tx, undo: Undo, context: &Context) -> Result<(), Error> {
//!     // …
//!     # let _ = (tx, undo, context);
//!     Ok(())
//! }
//!
//! # async fn main_() -> anyhow::Result<()> {
//! Participant::new("flights")
//!     .action("book", book)
//!     .compensation("unbook", unbook)
//!     .schema("create table flight (free bigint not null); create table booking (…)")
//!     .run()
//!     .await
//! # }
//! ```

mod attempt;
pub mod barrier;
mod bodies;
mod codes;
mod context;
mod database;
mod desk;
mod handler;
mod intent;
mod invoke;
mod logs;
mod participant;
mod refusal;
mod replies;
mod runtime;
mod schema;
mod service;
mod settings;
pub mod testing;
mod tx;
mod values;

pub use context::{Context, Undo};
pub use desk::serve;
pub use handler::{External, Handler};
pub use intent::Intent;
pub use participant::Participant;
pub use refusal::{Doubt, Error, Refusal};
pub use saga_protocol::{
    Command, Json, Knowledge, Outcome, ParticipantName, Phase, ReplyBody, SagaId, StepKind,
    StepName,
};
pub use service::{Answer, Service};
pub use settings::Settings;
pub use tx::Tx;
pub use values::{Column, Parameter, Row, Value};
