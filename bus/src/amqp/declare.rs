//! Declares the topology on a connection, and looks at queues.

use std::{collections::BTreeSet, time::Instant};

use lapin::{
    Channel, Connection, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};
use saga_protocol::{
    ParticipantName,
    topology::{self, Argument, Exchange, Queue},
};

use super::{
    limits::ORCHESTRATOR_POLL,
    trouble::{Trouble, step},
};
use crate::{Role, role::ORCHESTRATOR_FIRST};

/// Declares what this role and these participants need. Returns the participants whose command
/// queue did not exist.
pub(super) async fn declare(
    connection: &Connection,
    role: &Role,
    participants: &BTreeSet<ParticipantName>,
) -> Result<Vec<ParticipantName>, Trouble> {
    match role {
        Role::Server => {
            let channel = common(connection).await?;
            // A queue that is bound to nothing gets nothing: dead letters first, as the topology
            // has it.
            for queue in topology::common_queues() {
                create(&channel, &queue).await?;
            }
        }
        Role::Participant(own) => own_queue(connection, own).await?,
    }
    command_queues(connection, participants).await
}

/// Declares these command queues. Returns those that did not exist.
pub(super) async fn command_queues(
    connection: &Connection,
    participants: &BTreeSet<ParticipantName>,
) -> Result<Vec<ParticipantName>, Trouble> {
    let mut created = Vec::new();
    if participants.is_empty() {
        return Ok(created);
    }
    let channel = open(connection).await?;
    for participant in participants {
        let queue = topology::participant_queue(participant);
        let existed = depth(connection, &queue.name).await?.is_some();
        // Also when it exists: its binding may be lost, and other arguments than ours must not go
        // unnoticed.
        create(&channel, &queue).await?;
        if !existed {
            created.push(participant.clone());
        }
    }
    Ok(created)
}

/// How many messages wait ready in a queue; `None` where it does not exist.
pub(super) async fn depth(connection: &Connection, queue: &str) -> Result<Option<u64>, Trouble> {
    // A channel of its own: the broker closes it when there is no such queue.
    let channel = open(connection).await?;
    match look(&channel, queue).await {
        Ok(queue) => Ok(Some(queue.message_count().into())),
        Err(trouble) if trouble.is_not_found() => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// How many consumers of a queue the broker knows of. A queue without a leader answers none.
pub(super) async fn consumers(channel: &Channel, queue: &str) -> Result<u32, Trouble> {
    Ok(look(channel, queue).await?.consumer_count())
}

async fn look(channel: &Channel, queue: &str) -> Result<lapin::Queue, Trouble> {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    let name = super::short("the queue's name", queue)?;
    step("look at a queue", channel.queue_declare(name, options, FieldTable::default())).await
}

pub(super) async fn open(connection: &Connection) -> Result<Channel, Trouble> {
    step("open a channel", connection.create_channel()).await
}

/// A participant leaves its queue to the orchestrator, and creates it only where none seems to be
/// there. A look takes no permission, so a participant that may not declare anything works as soon
/// as an orchestrator has.
async fn own_queue(connection: &Connection, own: &ParticipantName) -> Result<(), Trouble> {
    let queue = topology::participant_queue(own);
    let began = Instant::now();
    while depth(connection, &queue.name).await?.is_none() {
        if began.elapsed() >= ORCHESTRATOR_FIRST {
            return create(&common(connection).await?, &queue).await;
        }
        tokio::time::sleep(ORCHESTRATOR_POLL).await;
    }
    Ok(())
}

async fn common(connection: &Connection) -> Result<Channel, Trouble> {
    let channel = open(connection).await?;
    for exchange in topology::exchanges() {
        exchange_of(&channel, &exchange).await?;
    }
    Ok(channel)
}

async fn exchange_of(channel: &Channel, exchange: &Exchange) -> Result<(), Trouble> {
    let kind = match exchange.kind {
        topology::ExchangeKind::Direct => ExchangeKind::Direct,
        topology::ExchangeKind::Topic => ExchangeKind::Topic,
        topology::ExchangeKind::Fanout => ExchangeKind::Fanout,
    };
    let options = ExchangeDeclareOptions {
        passive: false,
        // Survives the broker's restart.
        durable: true,
        // Stays when nothing is bound to it.
        auto_delete: false,
        // Clients publish to it.
        internal: false,
        nowait: false,
    };
    let request =
        channel.exchange_declare(exchange.name.into(), kind, options, FieldTable::default());
    step("declare an exchange", request).await
}

async fn create(channel: &Channel, queue: &Queue) -> Result<(), Trouble> {
    let mut arguments = FieldTable::default();
    for (name, value) in &queue.arguments {
        let value = match *value {
            Argument::Text(text) => AMQPValue::LongString(text.into()),
            Argument::Number(number) => AMQPValue::LongLongInt(number),
        };
        arguments.insert((*name).into(), value);
    }
    let options = QueueDeclareOptions {
        passive: false,
        // Survives the broker's restart; quorum queues are nothing else.
        durable: true,
        // Shared by all instances, and there when none is.
        exclusive: false,
        auto_delete: false,
        nowait: false,
    };
    let name = super::short("the queue's name", &queue.name)?;
    step("declare a queue", channel.queue_declare(name.clone(), options, arguments)).await?;
    let (exchange, key) = &queue.binding;
    let key = super::short("the routing key", key)?;
    let options = QueueBindOptions { nowait: false };
    let request = channel.queue_bind(name, (*exchange).into(), key, options, FieldTable::default());
    step("bind a queue", request).await
}
