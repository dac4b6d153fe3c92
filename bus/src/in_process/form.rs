//! The form a message has after a broker: what AMQP cannot carry is refused here too, and what it
//! cuts off is cut off.

use saga_protocol::{Message, Timestamp};

use super::limits::SHORT_BYTES_MAX;
use crate::{Publication, Unpublished};

/// Everybody in this process is one user.
pub(super) const USER: &str = "in-process";

/// The message as it arrives.
pub(super) fn carried(publication: Publication) -> Result<Message, Unpublished> {
    let Publication { routing_key, mut message, .. } = publication;
    if let Some(other) = message.user_id.as_deref().filter(|&id| id != USER) {
        let reason = format!("`user_id` is `{other}`, but the connection's user is `{USER}`");
        return Err(Unpublished::Down(reason));
    }
    if routing_key.len() > SHORT_BYTES_MAX || is_long(&message) {
        let reason = "not a valid message: the routing key, a property or a header's name has more \
                      than 255 bytes";
        return Err(Unpublished::Down(reason.to_owned()));
    }
    message.timestamp = message.timestamp.map(whole_seconds);
    Ok(message)
}

fn is_long(message: &Message) -> bool {
    let properties = [&message.correlation_id, &message.kind, &message.reply_to];
    let mut texts = properties.into_iter().flatten().chain(message.headers.keys());
    texts.any(|text| text.len() > SHORT_BYTES_MAX)
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    let seconds = i64::try_from(at.as_unix_seconds()).unwrap_or(i64::MAX);
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}
