//! What every process of ours needs to live among failures: delays between attempts, an orderly
//! end, and points where a test makes it fail.

mod delays;
pub mod failpoint;
mod shutdown;

pub use delays::Delays;
pub use shutdown::Shutdown;
