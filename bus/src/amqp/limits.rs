//! Every deadline and bound of the adapter, each with the reason for its value.

use std::time::Duration;

/// TCP, TLS and the AMQP handshake together. A broker that is alive answers within a second.
pub(super) const CONNECT_MAX: Duration = Duration::from_secs(10);
/// TCP to one address, in milliseconds, where the URL does not say. A broker that is alive answers
/// a third try, which the kernel makes after 3 s; of three addresses that a name has, two may
/// swallow everything before [`CONNECT_MAX`].
pub(super) const TCP_CONNECT_MILLIS: u64 = 4_000;
/// The heartbeat in seconds, where the URL does not say: a silent peer is noticed after at most
/// twice this.
pub(super) const HEARTBEAT_SECONDS: u16 = 10;
/// One request to the broker: opening a channel, a declaration, an acknowledgement. Milliseconds
/// where the broker is well; a cluster that elects a leader takes a few seconds.
pub(super) const STEP_MAX: Duration = Duration::from_secs(10);
/// From the first publish of a window to the last confirm. Disk writes of a majority that take
/// longer than this do not come at all.
pub(super) const CONFIRM_MAX: Duration = Duration::from_secs(10);
/// A whole call of `publish`: one window that is under way plus our own.
pub(super) const PUBLISH_MAX: Duration = Duration::from_secs(20);
/// A goodbye to the broker. One that does not answer by then drops us anyway when the socket
/// closes.
pub(super) const GOODBYE_MAX: Duration = Duration::from_secs(2);
/// A whole `close`: a window that is under way, and the goodbyes.
pub(super) const CLOSE_MAX: Duration = Duration::from_secs(15);
/// How often a connection is asked whether it still stands, beside the events that should say so.
pub(super) const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A connection that lived this long was good: the next delay is the first again.
pub(super) const GOOD_AFTER: Duration = Duration::from_secs(20);

/// How long a channel is used on which a full queue refuses: what is refused is sent again every
/// few seconds, and a new channel costs two small requests.
pub(super) const REFUSED_MAX: Duration = Duration::from_secs(2);

/// Messages on the way to be confirmed on one channel. Measured: 256 gives 12 times the rate of one
/// by one, and more gives nothing.
pub(super) const WINDOW: usize = 256;
/// Batches that wait for one publisher: one window's worth of single messages.
pub(super) const JOBS_QUEUED: usize = WINDOW;
/// Publishers of one bus. Two keep the broker busy while the other's window settles; a channel
/// costs little.
pub(super) const PUBLISHERS: usize = 2;

/// How long an acknowledgement may wait for an earlier delivery, so that one `multiple` covers
/// both.
pub(super) const ACK_HELD_MAX: Duration = Duration::from_millis(500);
/// How often a subscription looks whether the broker still knows of consumers of its queue: a
/// subscription that was lost in silence looks like a queue with nothing in it.
pub(super) const WATCHDOG_INTERVAL: Duration = Duration::from_secs(5);
/// Looks at a queue's depth under way at once: each opens a channel.
pub(super) const DEPTHS_AT_ONCE: usize = 4;
/// How often a participant looks for its queue while it leaves declaring it to the orchestrator.
pub(super) const ORCHESTRATOR_POLL: Duration = Duration::from_millis(200);

/// The least between two declarations of the topology: what they do not mend must not keep the
/// broker busy.
pub(super) const REDECLARE_GAP: Duration = Duration::from_secs(1);

/// How long a cause of trouble is not logged again: long enough that the log stays readable, short
/// enough that whoever looks at its end sees why nothing works.
pub(super) const SAID_FOR: Duration = Duration::from_secs(60);
/// Causes remembered as said: more at once than a broker that is ill has ever had.
pub(super) const CAUSES_MAX: usize = 16;
