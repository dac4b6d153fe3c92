//! The messages that are carried: a real order's command and reply, each the one of middle size.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use saga_core::saga::Status;
use saga_protocol::{Command, HeaderValue, Message};
use uuid::Uuid;

use crate::{order::order, played::play};

/// `delivery_mode` of a message that is kept on disk.
const PERSISTENT: u8 = 2;

/// A message, of which each copy has an id of its own.
#[derive(Clone)]
pub(crate) struct Sample {
    /// Its body.
    pub(crate) body: Bytes,
    properties: BasicProperties,
}

impl Sample {
    /// The command of middle size of an order.
    pub(crate) fn command() -> Result<Self> {
        middle(|(command, _)| command.to_message(Uuid::now_v7(), command.started))
    }

    /// The reply of middle size of an order.
    pub(crate) fn reply() -> Result<Self> {
        middle(|(_, reply)| reply)
    }

    /// The properties of the next copy.
    pub(crate) fn properties(&self) -> Result<BasicProperties> {
        let id = ShortString::try_new(Uuid::now_v7().to_string())?;
        Ok(self.properties.clone().with_message_id(id))
    }
}

/// The message of middle size of those that a real order takes.
fn middle(message: impl Fn((Command, Message)) -> Message) -> Result<Sample> {
    let played = play(&order(1_000, false))?;
    ensure!(played.status == Status::Completed, "an order ends as {:?}", played.status);
    let mut messages: Vec<_> = played.exchanges.into_iter().map(message).collect();
    messages.sort_by_key(|message| message.body.len());
    let message = messages.get(messages.len() / 2).context("an order has steps")?;
    Ok(Sample { body: message.body.clone(), properties: properties(message)? })
}

fn properties(message: &Message) -> Result<BasicProperties> {
    let mut headers = FieldTable::default();
    for (name, value) in &message.headers {
        let value = match value {
            HeaderValue::Text(text) => AMQPValue::LongString(text.as_str().into()),
            HeaderValue::Number(number) => AMQPValue::LongLongInt(*number),
        };
        headers.insert(name.as_str().into(), value);
    }
    let text = |text: &Option<String>| ShortString::try_new(text.clone().unwrap_or_default());
    let mut properties = BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/json".into())
        .with_correlation_id(text(&message.correlation_id)?)
        .with_type(text(&message.kind)?)
        .with_headers(headers);
    if message.reply_to.is_some() {
        properties = properties.with_reply_to(text(&message.reply_to)?);
    }
    if let Some(at) = message.timestamp {
        properties = properties.with_timestamp(at.as_unix_seconds());
    }
    Ok(properties)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_the_one_of_middle_size() {
        let command = Sample::command().expect("an order is whole");
        let expected = r#"{"customer_id":"customer-1000","amount":4200,"currency":"EUR"}"#;
        let sorted = |text: &[u8]| {
            serde_json::from_slice::<serde_json::Value>(text).expect("a body is JSON")
        };
        assert_eq!(sorted(&command.body), sorted(expected.as_bytes()));
        let reply = Sample::reply().expect("an order is whole");
        assert_eq!(sorted(&reply.body)["outcome"], "completed");
        assert!(sorted(&reply.body)["output"]["charge_id"].is_string());
        assert_eq!(
            reply.properties.kind().as_ref().map(ShortString::as_str),
            Some("payment.charge")
        );
    }
}
