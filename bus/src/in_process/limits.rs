//! Every bound of the adapter, with the reason for its value.

use std::time::Duration;

/// Messages that wait in one queue; what is published past it is refused, as by a broker whose
/// queue is full. A minute of work for one process, and with [`QUEUE_BYTES_MAX`] a bound on memory.
pub(super) const QUEUE_MESSAGES_MAX: usize = 100_000;
/// Bytes that wait in one queue, bodies and headers. Half of what a small machine can spare for the
/// one queue that nobody empties.
pub(super) const QUEUE_BYTES_MAX: usize = 64 << 20;
/// A property, a routing key or a header's name: what AMQP can carry, so that what works here works
/// there.
pub(super) const SHORT_BYTES_MAX: usize = 255;
/// From the loss of a connection to the next: what AMQP takes at least, so that whoever uses the
/// bus meets the time in between.
pub(super) const RECONNECT_AFTER: Duration = Duration::from_millis(100);
