//! The rules of the core, one by one, each test named after the rule in words. What happens and
//! what it leads to is written as a script (`script`): one line an event, and behind the arrow
//! everything that came of it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod answered;
mod backward;
mod forward;
mod pivot;
#[path = "../shared/reload.rs"]
mod reload;
mod script;
mod stuck;
mod tell;
mod time;
mod verbs;
