//! Every limit that both sides must agree on, in one place, each with the reason for its value.

use std::time::Duration;

/// A message or request body. Far below RabbitMQ 4's 16 MiB, and small enough to buffer a full
/// prefetch.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// One step's output. It is stored in the saga's state, which is rewritten with every transition.
pub const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// A saga's state. Past it the saga is stuck: every transition rewrites the whole of it.
pub const STATE_BYTES_MAX: usize = 256 * 1024;
/// Steps of one definition: a reader must still be able to see the whole.
pub const STEPS_MAX: usize = 64;
/// Participants of one orchestrator: each is a queue that is watched.
pub const PARTICIPANTS_MAX: usize = 64;
/// A definition file. The largest sensible one is a few tens of kilobytes.
pub const DEFINITION_BYTES_MAX: usize = 1024 * 1024;
/// The longest `Prefer: wait`: proxies commonly give up at a minute.
pub const WAIT_MAX: Duration = Duration::from_secs(60);
/// Messages or sagas handled in one transaction: keeps it well under a second.
pub const BATCH_MAX: usize = 256;
/// Batches of replies in flight at once in one process.
pub const BATCHES_IN_FLIGHT: usize = 4;
/// Unacknowledged deliveries per consumer: everything that the batches in flight can hold.
pub const PREFETCH: u16 = 1024;
/// Items on one page of a list.
pub const PAGE_MAX: u32 = 200;
/// The longest business or idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;
/// Deliveries of one message before the broker dead-letters it. RabbitMQ 4's default, said aloud
/// for 3.x.
pub const DELIVERIES_MAX: i64 = 20;
/// Nesting of JSON that is accepted: `serde_json` refuses deeper documents by itself.
pub const JSON_DEPTH_MAX: usize = 128;
/// How long an error's message may be before it is cut, in bytes.
pub const ERROR_BYTES_MAX: usize = 4 * 1024;
/// A command may start for this long where its saga has no deadline.
pub const COMMAND_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How far the clocks of orchestrator and participants may differ.
pub const CLOCK_SKEW_MAX: Duration = Duration::from_secs(5 * 60);
