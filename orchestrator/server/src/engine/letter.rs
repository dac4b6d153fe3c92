//! Dead letters: messages that cannot be processed, as the store keeps them.

use saga_bus::Delivery;
use saga_protocol::{HeaderValue, Json, Message, limits};
use saga_store::DeadLetter;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// What is kept of a body over the limit: enough to see what it was.
const KEPT_OF_OVERSIZED: usize = 4096;

/// The dead letter of a message; the reason is a stable word and, after a colon, what is wrong.
pub(super) fn letter(delivery: &Delivery, source: &str, reason: &str) -> DeadLetter {
    let message = &delivery.message;
    let is_oversized = message.body.len() > limits::BODY_BYTES_MAX;
    let kept = if is_oversized { KEPT_OF_OVERSIZED } else { message.body.len() };
    DeadLetter {
        id: message.message_id,
        source: source.to_owned(),
        // Postgres keeps no NUL in text.
        reason: reason.replace('\0', "\u{fffd}"),
        headers: headers(message),
        body: message.body.slice(..kept),
        sha256: Sha256::digest(&message.body).into(),
    }
}

/// Headers and properties as one JSON object, properties by their AMQP names.
fn headers(message: &Message) -> Json {
    let value = |value: &HeaderValue| match value {
        HeaderValue::Text(text) => Value::from(text.as_str()),
        HeaderValue::Number(number) => Value::from(*number),
    };
    let headers: Map<_, _> =
        message.headers.iter().map(|(name, held)| (name.clone(), value(held))).collect();
    let all = json!({
        "correlation_id": message.correlation_id,
        "type": message.kind,
        "reply_to": message.reply_to,
        "user_id": message.user_id,
        "timestamp": message.timestamp,
        "headers": headers,
    });
    serde_json::value::to_raw_value(&all).expect("text keys and JSON values always serialize")
}
