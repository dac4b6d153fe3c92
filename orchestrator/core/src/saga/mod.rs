//! The state machine: a saga, what can happen to it, and what that leads to. In reading order: what
//! a saga is (`model`), what happens (`event`), what it leads to (`transition`), the entrance
//! (`advance`); then the rules: the two walks (`walk`), answers, passing time (`due`), operators;
//! then what is derived: commands, looks, timers, reports; and how a saga is written down (`wire`,
//! `journal`).

mod advance;
mod answer;
mod command;
mod due;
mod event;
mod journal;
mod look;
mod model;
mod operator;
mod report;
mod timers;
mod transition;
mod walk;
mod wire;
mod work;

pub(crate) use answer::salt;

pub use advance::{Birth, advance};
pub use event::{Answer, At, Event, Order, Resolution, Verb};
pub use journal::{Unreplayable, replay};
pub use look::{GRACE, LOOK_MAX, Look, Outstanding};
pub use model::{Cause, Saga, Status, StepStatus};
pub use report::{CompensationReport, StepReport};
pub use timers::{Attempt, Timer, TimerKind};
pub use transition::{Effect, Note, Rejection, Transition};
pub use wire::{Stored, Undecodable};
