//! Connections and channels on the product's topology.

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
    limits,
    topology::{self, Argument, Queue},
};

/// A connection to a virtual host.
pub(crate) async fn connect(url: &str) -> Result<Connection> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

/// A channel that confirms.
pub(crate) async fn publisher(connection: &Connection) -> Result<Channel> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions { nowait: false }).await?;
    Ok(channel)
}

/// A consumer of a queue, with the product's prefetch.
pub(super) async fn consumer(connection: &Connection, queue: &Queue) -> Result<Consumer> {
    let channel = connection.create_channel().await?;
    channel.basic_qos(limits::PREFETCH, BasicQosOptions { global: false }).await?;
    let options = BasicConsumeOptions::default();
    let (name, tag) = (queue.name.as_str().into(), "bench".into());
    Ok(channel.basic_consume(name, tag, options, FieldTable::default()).await?)
}

/// Declares the product's exchanges and these queues, exactly as the product does.
pub(crate) async fn declare(connection: &Connection, queues: &[Queue]) -> Result<()> {
    let channel = connection.create_channel().await?;
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
    for queue in queues {
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
