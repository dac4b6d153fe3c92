//! The contract that orchestrator and participants share: names, commands, replies, headers,
//! topology and limits. Nothing here does IO; a participant in another language needs what this
//! crate describes and nothing else.

mod command;
pub mod headers;
pub mod json;
pub mod limits;
mod message;
mod names;
mod reply;
mod step;
mod time;
pub mod topology;
mod trace;

pub use command::{Command, Knowledge, Undo};
pub use message::{BodyHash, HeaderValue, Malformed, Message};
pub use names::{DefinitionName, InvalidName, ParticipantName, SagaId, StepName};
pub use reply::{Fault, Reply, ReplyBody};
pub use step::{Outcome, Phase, StepKind};
pub use time::Timestamp;
pub use trace::TraceContext;

/// Raw JSON that is passed through byte for byte.
pub type Json = Box<serde_json::value::RawValue>;
