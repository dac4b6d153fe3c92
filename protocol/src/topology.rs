//! Exchanges, queues and bindings as data. Every argument is valid on RabbitMQ 3.10 and on 4.x;
//! arguments are frozen when a queue is created, so what an operator may want to change later
//! belongs into policies, not here.

use crate::{ParticipantName, limits};

/// The exchange of commands, direct: the routing key is the participant.
pub const COMMANDS: &str = "saga.commands";
/// The exchange of replies and its queue. Topic, because only topic exchanges have write
/// permissions per key.
pub const REPLIES: &str = "saga.replies";
/// The dead-letter exchange, fanout.
pub const DEAD_LETTER_EXCHANGE: &str = "saga.dlx";
/// The queue of dead letters: only the way into the orchestrator's table.
pub const DEAD: &str = "saga.dead";

/// The queue that carries a participant's commands.
#[must_use]
pub fn command_queue(participant: &ParticipantName) -> String {
    format!("{COMMANDS}.{participant}")
}

/// An exchange, always durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: &'static str,
    /// How it routes.
    pub kind: ExchangeKind,
}

/// How an exchange routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeKind {
    /// By equal key.
    Direct,
    /// By pattern.
    Topic,
    /// To all.
    Fanout,
}

/// A durable queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its `x-…` arguments.
    pub arguments: Vec<(&'static str, Argument)>,
    /// The exchange it is bound to and the routing key.
    pub binding: (&'static str, String),
}

/// The value of a queue argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Text.
    Text(&'static str),
    /// An integer.
    Number(i64),
}

/// Everything the orchestrator declares, in an order that never dead-letters into nothing: the
/// dead-letter queue first.
#[must_use]
pub fn exchanges() -> [Exchange; 3] {
    [
        Exchange { name: DEAD_LETTER_EXCHANGE, kind: ExchangeKind::Fanout },
        Exchange { name: COMMANDS, kind: ExchangeKind::Direct },
        Exchange { name: REPLIES, kind: ExchangeKind::Topic },
    ]
}

/// The queues every orchestrator needs, whatever its definitions.
#[must_use]
pub fn common_queues() -> [Queue; 2] {
    let dead = Queue {
        name: DEAD.to_owned(),
        arguments: vec![("x-queue-type", Argument::Text("quorum"))],
        binding: (DEAD_LETTER_EXCHANGE, String::new()),
    };
    [dead, working_queue(REPLIES.to_owned(), (REPLIES, "#".to_owned()))]
}

/// The queue of one participant's commands.
#[must_use]
pub fn participant_queue(participant: &ParticipantName) -> Queue {
    working_queue(command_queue(participant), (COMMANDS, participant.to_string()))
}

/// A quorum queue that refuses when full, gives up after a stated number of deliveries, and never
/// drops what it gives up.
fn working_queue(name: String, binding: (&'static str, String)) -> Queue {
    let arguments = vec![
        ("x-queue-type", Argument::Text("quorum")),
        ("x-dead-letter-exchange", Argument::Text(DEAD_LETTER_EXCHANGE)),
        ("x-dead-letter-strategy", Argument::Text("at-least-once")),
        ("x-overflow", Argument::Text("reject-publish")),
        ("x-delivery-limit", Argument::Number(limits::DELIVERIES_MAX)),
    ];
    Queue { name, arguments, binding }
}
