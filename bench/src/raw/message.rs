//! The message that is carried: a command as the product sends it.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use bytes::Bytes;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable, ShortString},
};
use saga_protocol::{
    Command, HeaderValue, ParticipantName, Phase, SagaId, StepKind, StepName, Timestamp, limits,
};
use uuid::Uuid;

/// Whose commands are sent, in turn.
pub(super) const PARTICIPANTS: [&str; 3] = ["payment", "inventory", "shipping"];
/// `delivery_mode` of a message that is kept on disk.
const PERSISTENT: u8 = 2;

/// A command, of which each copy has an id of its own.
pub(super) struct Sample {
    /// Its body.
    pub(super) body: Bytes,
    properties: BasicProperties,
    turn: AtomicUsize,
}

impl Sample {
    pub(super) fn new() -> Result<Self> {
        let now = Timestamp::from_micros(1_800_000_000_000_000);
        let command = Command {
            saga_id: SagaId(Uuid::now_v7()),
            definition: "order".parse()?,
            step: StepName::new("payment")?,
            phase: Phase::Action,
            kind: StepKind::Compensatable,
            participant: ParticipantName::new("payment")?,
            action: "charge".to_owned(),
            attempt: 1,
            started: now,
            deadline: now.after(limits::COMMAND_LIFETIME),
            body: Bytes::from_static(
                br#"{"customer_id":"customer-1","amount":4200,"currency":"EUR"}"#,
            ),
            trace: None,
        };
        let message = command.to_message(Uuid::now_v7(), now);
        let mut headers = FieldTable::default();
        for (name, value) in &message.headers {
            let value = match value {
                HeaderValue::Text(text) => AMQPValue::LongString(text.as_str().into()),
                HeaderValue::Number(number) => AMQPValue::LongLongInt(*number),
            };
            headers.insert(name.as_str().into(), value);
        }
        let properties = BasicProperties::default()
            .with_delivery_mode(PERSISTENT)
            .with_content_type("application/json".into())
            .with_correlation_id(command.saga_id.to_string().into())
            .with_type("payment.charge".into())
            .with_reply_to(saga_protocol::topology::REPLIES.into())
            .with_timestamp(now.as_unix_seconds())
            .with_headers(headers);
        Ok(Self { body: message.body, properties, turn: AtomicUsize::new(0) })
    }

    /// The next copy: its routing key and its properties.
    pub(super) fn next(&self) -> Result<(ShortString, BasicProperties)> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let id = ShortString::try_new(Uuid::now_v7().to_string())?;
        let key = PARTICIPANTS[turn % PARTICIPANTS.len()];
        Ok((key.into(), self.properties.clone().with_message_id(id)))
    }
}
