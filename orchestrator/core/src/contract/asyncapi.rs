//! The contract as an `AsyncAPI` document. It describes the participants: they receive commands
//! from their queue, and answer each on the exchange of replies.

use saga_protocol::{ParticipantName, Phase, limits, topology};
use serde_json::{Map, Value, json};

use super::{
    Contract, Exchange, Spoken,
    envelope::{self, COMMAND_HEADERS, REPLY_HEADERS},
};

/// The version of `AsyncAPI`, and of its bindings to AMQP 0-9-1.
const VERSION: &str = "3.0.0";
const BINDING_VERSION: &str = "0.3.0";
/// Where the contract's own schemas are, and where they are in this document.
const DEFS: &str = "#/$defs/";
const SCHEMAS: &str = "#/components/schemas/";
const JSON: &str = "application/json";

/// The parts that all participants fill together.
#[derive(Default)]
struct Parts {
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

/// Writes it.
pub(super) fn write(contract: &Contract) -> Value {
    let mut parts = Parts::default();
    for (name, spoken) in &contract.participants {
        parts.participant(name, spoken);
    }
    let mut schemas: Map<_, _> = contract.shared.clone().into_iter().collect();
    schemas.insert(COMMAND_HEADERS.to_owned(), envelope::of_command());
    schemas.insert(REPLY_HEADERS.to_owned(), envelope::of_reply());
    let sagas: Vec<_> = contract.definitions.iter().map(|(name, _)| name.as_str()).collect();
    let hashes: Vec<_> = contract.definitions.iter().map(|(_, hash)| hash.as_str()).collect();
    let mut document = json!({
        "asyncapi": VERSION,
        "info": {
            "title": format!("Participants of {}", sagas.join(", ")),
            "version": hashes.join("-"),
            "description": description(),
        },
        "defaultContentType": JSON,
        "channels": parts.channels,
        "operations": parts.operations,
        "components": { "messages": parts.messages, "schemas": schemas },
    });
    move_references(&mut document);
    document
}

fn description() -> String {
    format!(
        "What participants receive and answer, generated from definitions. Delivery is \
         at-least-once in both directions; the identity of a command is the saga, step and phase. \
         Commands and replies are persistent. The property `correlation_id` is the saga's id, \
         `type` is `participant.action`, `message_id` is unique per publish. A body has at most \
         {} bytes, an output at most {}.",
        limits::BODY_BYTES_MAX,
        limits::OUTPUT_BYTES_MAX,
    )
}

impl Parts {
    fn participant(&mut self, name: &ParticipantName, spoken: &Spoken) {
        let (commands, replies) = (format!("{name}.commands"), format!("{name}.replies"));
        let (mut received, mut sent) = (Map::new(), Map::new());
        for ((phase, word), exchange) in spoken {
            let key = format!("{phase}.{word}");
            let (command, reply) = (format!("{name}.{key}"), format!("{name}.{key}.reply"));
            received.insert(key.clone(), refer("components/messages", &command));
            sent.insert(key.clone(), refer("components/messages", &reply));
            let operation = operation(&commands, &replies, &key, exchange);
            self.operations.insert(command.clone(), operation);
            let kind = format!("{name}.{word}");
            let title = format!("{} of {kind}", described(*phase));
            let body = exchange.command();
            self.messages.insert(command, message(&kind, &title, COMMAND_HEADERS, &body));
            let title = format!("Answer to the {phase} {kind}");
            self.messages.insert(reply, message(&kind, &title, REPLY_HEADERS, &exchange.reply()));
        }
        self.channels.insert(commands, queue(name, &received));
        self.channels.insert(replies, routing_key(name, &sent));
    }
}

fn described(phase: Phase) -> &'static str {
    match phase {
        Phase::Action => "Action",
        Phase::Compensation => "Compensation",
        Phase::Query => "Query",
    }
}

fn queue(name: &ParticipantName, messages: &Map<String, Value>) -> Value {
    let queue = topology::command_queue(name);
    json!({
        "address": queue,
        "description": format!(
            "A quorum queue that the orchestrator declares, bound to the direct exchange `{}` \
             with the routing key `{name}`.",
            topology::COMMANDS
        ),
        "messages": messages,
        "bindings": { "amqp": {
            "is": "queue",
            "queue": { "name": queue, "durable": true, "exclusive": false, "autoDelete": false },
            "bindingVersion": BINDING_VERSION,
        } },
    })
}

fn routing_key(name: &ParticipantName, messages: &Map<String, Value>) -> Value {
    json!({
        "address": name,
        "description": format!(
            "The routing key on the exchange of replies. `reply_to` names the queue `{}`, for \
             clients that answer through the default exchange.",
            topology::REPLIES
        ),
        "messages": messages,
        "bindings": { "amqp": {
            "is": "routingKey",
            "exchange": {
                "name": topology::REPLIES,
                "type": "topic",
                "durable": true,
                "autoDelete": false,
            },
            "bindingVersion": BINDING_VERSION,
        } },
    })
}

fn operation(commands: &str, replies: &str, key: &str, exchange: &Exchange) -> Value {
    let users = exchange.users().join("`, `");
    json!({
        "action": "receive",
        "channel": refer("channels", commands),
        "summary": format!("for `{users}`"),
        "messages": [refer(&format!("channels/{commands}/messages"), key)],
        "bindings": { "amqp": {
            "deliveryMode": 2,
            "mandatory": true,
            "ack": true,
            "timestamp": true,
            "bindingVersion": BINDING_VERSION,
        } },
        "reply": {
            "channel": refer("channels", replies),
            "messages": [refer(&format!("channels/{replies}/messages"), key)],
        },
    })
}

fn message(kind: &str, title: &str, headers: &str, body: &Value) -> Value {
    json!({
        "name": kind,
        "title": title,
        "contentType": JSON,
        "headers": refer("components/schemas", headers),
        "payload": body,
        "bindings": { "amqp": { "messageType": kind, "bindingVersion": BINDING_VERSION } },
    })
}

fn refer(to: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/{to}/{name}") })
}

/// Lets the references of schemas lead to where this document has them.
fn move_references(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(name) = reference.strip_prefix(DEFS)
            {
                *reference = format!("{SCHEMAS}{name}");
            }
            fields.values_mut().for_each(move_references);
        }
        Value::Array(items) => items.iter_mut().for_each(move_references),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
