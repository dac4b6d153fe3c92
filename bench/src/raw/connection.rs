//! Connections, channels and consumers on the product's topology.

use anyhow::Result;
use lapin::{
    Channel, Connection, ConnectionProperties, Consumer, ExchangeKind,
    options::{
        BasicConsumeOptions, BasicQosOptions, ConfirmSelectOptions, ExchangeDeclareOptions,
        QueueBindOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};
use saga_protocol::{
    ParticipantName, limits,
    topology::{self, Argument, Queue},
};

use super::message::PARTICIPANTS;

/// Channels that publish: as many as keep the broker busy while one waits.
const PUBLISHERS: usize = 2;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// What the broker takes.
    Publishing,
    /// What it takes and hands over.
    Both,
}

/// A connection to a virtual host.
pub(super) async fn connect(url: &str) -> Result<Connection> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

/// Channels that confirm, once everything is declared.
pub(super) async fn publishers(connection: &Connection) -> Result<Vec<Channel>> {
    declare(&connection.create_channel().await?).await?;
    let mut channels = Vec::new();
    for _ in 0..PUBLISHERS {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
        channels.push(channel);
    }
    Ok(channels)
}

/// A consumer of each participant's commands.
pub(super) async fn consumers(connection: &Connection) -> Result<Vec<Consumer>> {
    let mut consumers = Vec::new();
    for queue in command_queues()? {
        let channel = connection.create_channel().await?;
        channel.basic_qos(limits::PREFETCH, BasicQosOptions { global: false }).await?;
        let options = BasicConsumeOptions::default();
        let (name, tag) = (queue.name.as_str().into(), "bench".into());
        consumers.push(channel.basic_consume(name, tag, options, FieldTable::default()).await?);
    }
    Ok(consumers)
}

fn command_queues() -> Result<Vec<Queue>> {
    let queues = PARTICIPANTS.map(|name| {
        let participant = ParticipantName::new(name)?;
        anyhow::Ok(topology::participant_queue(&participant))
    });
    queues.into_iter().collect()
}

async fn declare(channel: &Channel) -> Result<()> {
    for exchange in topology::exchanges() {
        let kind = match exchange.kind {
            topology::ExchangeKind::Direct => ExchangeKind::Direct,
            topology::ExchangeKind::Topic => ExchangeKind::Topic,
            topology::ExchangeKind::Fanout => ExchangeKind::Fanout,
        };
        let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
        let name = exchange.name.into();
        channel.exchange_declare(name, kind, options, FieldTable::default()).await?;
    }
    for queue in topology::common_queues().into_iter().chain(command_queues()?) {
        let mut arguments = FieldTable::default();
        for (name, value) in &queue.arguments {
            let value = match *value {
                Argument::Text(text) => AMQPValue::LongString(text.into()),
                Argument::Number(number) => AMQPValue::LongLongInt(number),
            };
            arguments.insert((*name).into(), value);
        }
        let options = QueueDeclareOptions { durable: true, ..Default::default() };
        channel.queue_declare(queue.name.as_str().into(), options, arguments).await?;
        let (exchange, key) = &queue.binding;
        let (name, key) = (queue.name.as_str().into(), key.as_str().into());
        let options = QueueBindOptions { nowait: false };
        channel.queue_bind(name, (*exchange).into(), key, options, FieldTable::default()).await?;
    }
    Ok(())
}
