//! Dead letters: messages that cannot be processed, as the store keeps them.

use saga_protocol::{HeaderValue, Json, Message, limits};
use saga_store::DeadLetter;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// What is kept of a body over the limit: enough to see what it was.
const KEPT_OF_OVERSIZED: usize = 4096;

/// The longest name of a queue in AMQP; whoever forges a longer one is believed this far.
const SOURCE_MAX: usize = 255;

/// The dead letter of a message; the reason is a stable word and, after a colon, what is wrong.
pub(crate) fn letter(message: &Message, source: &str, reason: &str) -> DeadLetter {
    let source = source.chars().take(SOURCE_MAX).collect::<String>().replace('\0', "\u{fffd}");
    let is_oversized = message.body.len() > limits::BODY_BYTES_MAX;
    let kept = if is_oversized { KEPT_OF_OVERSIZED } else { message.body.len() };
    DeadLetter {
        id: id(message, &source),
        source,
        // Postgres keeps no NUL in text.
        reason: reason.replace('\0', "\u{fffd}"),
        headers: headers(message),
        body: message.body.slice(..kept),
        sha256: Sha256::digest(&message.body).into(),
    }
}

/// The same letter that arrives twice is kept once. Clients choose message ids, so they alone tell
/// letters not apart.
fn id(message: &Message, source: &str) -> Uuid {
    let mut hash = Sha256::new();
    hash.update(message.message_id.as_bytes());
    hash.update(source.as_bytes());
    hash.update(&message.body);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash.finalize()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
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
        "message_id": message.message_id.to_string(),
        "correlation_id": message.correlation_id,
        "type": message.kind,
        "reply_to": message.reply_to,
        "user_id": message.user_id,
        "timestamp": message.timestamp,
        "headers": headers,
    });
    serde_json::value::to_raw_value(&all).expect("text keys and JSON values always serialize")
}
