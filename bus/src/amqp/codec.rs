//! Our messages as AMQP's and back. What arrives may be anything: it never fails, it only loses
//! what we do not use.

use bytes::Bytes;
use lapin::{
    BasicProperties,
    message::Delivery,
    types::{AMQPValue, FieldTable, LongString, ShortString, ShortStringError},
};
use saga_protocol::{HeaderValue, Message, Timestamp};
use uuid::Uuid;

use crate::{Publication, Unpublished};

/// The header in which quorum queues count deliveries. Ours to read, not the message's.
const DELIVERY_COUNT: &str = "x-delivery-count";
/// `delivery_mode` of a message that is kept on disk.
const PERSISTENT: u8 = 2;

/// A publication ready to be sent.
pub(super) struct Frame {
    pub(super) exchange: ShortString,
    pub(super) routing_key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) body: Bytes,
}

/// Fails alone what the broker would answer by closing the channel, with all that is on it.
pub(super) fn encode(publication: &Publication, user: &str) -> Result<Frame, Unpublished> {
    let message = &publication.message;
    if let Some(other) = message.user_id.as_deref().filter(|&id| id != user) {
        let reason = format!("`user_id` is `{other}`, but the connection's user is `{user}`");
        return Err(Unpublished::Down(reason));
    }
    let frame = || {
        Ok(Frame {
            exchange: publication.exchange.into(),
            routing_key: ShortString::try_new(publication.routing_key.as_str())?,
            properties: properties(message)?,
            body: message.body.clone(),
        })
    };
    frame().map_err(|e: ShortStringError| Unpublished::Down(format!("not a valid message: {e}")))
}

fn properties(message: &Message) -> Result<BasicProperties, ShortStringError> {
    let mut properties = BasicProperties::default()
        .with_message_id(ShortString::try_new(message.message_id.to_string())?)
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into());
    if let Some(id) = &message.correlation_id {
        properties = properties.with_correlation_id(ShortString::try_new(id.as_str())?);
    }
    if let Some(kind) = &message.kind {
        properties = properties.with_type(ShortString::try_new(kind.as_str())?);
    }
    if let Some(queue) = &message.reply_to {
        properties = properties.with_reply_to(ShortString::try_new(queue.as_str())?);
    }
    if let Some(user) = &message.user_id {
        properties = properties.with_user_id(ShortString::try_new(user.as_str())?);
    }
    if let Some(at) = message.timestamp {
        properties = properties.with_timestamp(at.as_unix_seconds());
    }
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        let value = match value {
            HeaderValue::Text(text) => AMQPValue::LongString(text.as_str().into()),
            HeaderValue::Number(number) => AMQPValue::LongLongInt(*number),
        };
        headers.insert(ShortString::try_new(name.as_str())?, value);
    }
    Ok(properties.with_headers(headers))
}

/// The message, and how often it was delivered before.
pub(super) fn decode(delivery: Delivery) -> (Message, u64) {
    let properties = &delivery.properties;
    let text = |property: &Option<ShortString>| property.as_ref().map(ToString::to_string);
    let headers = properties.headers().as_ref();
    let counted = headers.and_then(|h| h.inner().get(DELIVERY_COUNT)).and_then(number);
    // Without a counter there is only the flag.
    let delivery_count = counted
        .and_then(|count| u64::try_from(count).ok())
        .unwrap_or_else(|| u64::from(delivery.redelivered));
    let message = Message {
        message_id: message_id(properties),
        correlation_id: text(properties.correlation_id()),
        kind: text(properties.kind()),
        reply_to: text(properties.reply_to()),
        user_id: text(properties.user_id()),
        timestamp: properties.timestamp().and_then(timestamp),
        headers: headers
            .into_iter()
            .flatten()
            .filter(|(name, _)| name.as_str() != DELIVERY_COUNT)
            .filter_map(|(name, value)| Some((name.to_string(), header(value)?)))
            .collect(),
        body: Bytes::from(delivery.data),
    };
    (message, delivery_count)
}

/// The id of a message; other clients may send none, or one of another form: then it gets a new
/// one.
fn message_id(properties: &BasicProperties) -> Uuid {
    read_id(properties).unwrap_or_else(Uuid::now_v7)
}

/// The id as it stands there, as a returned message carries it.
pub(super) fn read_id(properties: &BasicProperties) -> Option<Uuid> {
    Uuid::parse_str(properties.message_id().as_ref()?.as_str()).ok()
}

fn timestamp(seconds: u64) -> Option<Timestamp> {
    Some(Timestamp::from_micros(i64::try_from(seconds).ok()?.checked_mul(1_000_000)?))
}

fn header(value: &AMQPValue) -> Option<HeaderValue> {
    let utf8 = |text: &LongString| String::from_utf8(text.as_bytes().to_vec()).ok();
    match value {
        AMQPValue::LongString(text) => utf8(text).map(HeaderValue::Text),
        AMQPValue::ShortString(text) => Some(HeaderValue::Text(text.to_string())),
        other => number(other).map(HeaderValue::Number),
    }
}

fn number(value: &AMQPValue) -> Option<i64> {
    match *value {
        AMQPValue::ShortShortInt(n) => Some(n.into()),
        AMQPValue::ShortShortUInt(n) => Some(n.into()),
        AMQPValue::ShortInt(n) => Some(n.into()),
        AMQPValue::ShortUInt(n) => Some(n.into()),
        AMQPValue::LongInt(n) => Some(n.into()),
        AMQPValue::LongUInt(n) => Some(n.into()),
        AMQPValue::LongLongInt(n) => Some(n),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(properties: BasicProperties) -> Delivery {
        let data = b"{}".to_vec();
        let mut delivery = Delivery::mock(1, "e".into(), "k".into(), true, data);
        delivery.properties = properties;
        delivery
    }

    #[test]
    fn whatever_arrives_becomes_a_message() {
        let mut headers = FieldTable::default();
        headers.insert("text".into(), AMQPValue::LongString("a".into()));
        headers.insert("broken".into(), AMQPValue::LongString(vec![0xff, 0xfe].into()));
        headers.insert("byte".into(), AMQPValue::ShortShortUInt(7));
        headers.insert("flag".into(), AMQPValue::Boolean(true));
        headers.insert("nested".into(), AMQPValue::FieldTable(FieldTable::default()));
        headers.insert(DELIVERY_COUNT.into(), AMQPValue::LongInt(-1));
        let properties = BasicProperties::default()
            .with_message_id("not a uuid".into())
            .with_timestamp(u64::MAX)
            .with_headers(headers);
        let (message, delivery_count) = decode(delivery(properties));
        let kept: Vec<_> = message.headers.into_iter().collect();
        let text = ("text".to_owned(), HeaderValue::Text("a".to_owned()));
        assert_eq!(kept, [("byte".to_owned(), HeaderValue::Number(7)), text]);
        assert_eq!((message.timestamp, delivery_count), (None, 1));
        assert_eq!(decode(delivery(BasicProperties::default())).1, 1, "the flag counts as one");
    }

    #[test]
    fn what_amqp_cannot_say_fails_alone() {
        let long = "x".repeat(256);
        let with = |change: fn(&mut Publication, String)| {
            let message = Message::new(Bytes::new());
            let mut publication =
                Publication { exchange: "e", routing_key: "k".to_owned(), message };
            change(&mut publication, long.clone());
            encode(&publication, "me").map(|_| ())
        };
        assert_eq!(with(|_, _| {}), Ok(()));
        let changes: [fn(&mut Publication, String); 6] = [
            |p, long| p.routing_key = long,
            |p, long| p.message.correlation_id = Some(long),
            |p, long| p.message.kind = Some(long),
            |p, long| p.message.reply_to = Some(long),
            |p, long| drop(p.message.headers.insert(long, HeaderValue::Number(1))),
            |p, _| p.message.user_id = Some("another".to_owned()),
        ];
        for change in changes {
            assert!(matches!(with(change), Err(Unpublished::Down(_))));
        }
    }
}
