//! The contract as one document of JSON Schemas.

use saga_protocol::{ParticipantName, Phase, topology};
use serde_json::{Map, Value, json};

use super::{
    Contract, Spoken,
    embed::DIALECT,
    envelope::{self, COMMAND_HEADERS, REPLY_HEADERS},
};

/// The phases, and what their words are called.
const PHASES: [(Phase, &str); 3] =
    [(Phase::Action, "actions"), (Phase::Compensation, "compensations"), (Phase::Query, "queries")];

/// Writes it. Names of participants begin with a letter, so none is like a keyword.
pub(super) fn write(contract: &Contract) -> Value {
    let mut shared: Map<_, _> = contract.shared.clone().into_iter().collect();
    shared.insert(COMMAND_HEADERS.to_owned(), envelope::of_command());
    shared.insert(REPLY_HEADERS.to_owned(), envelope::of_reply());
    let versions = contract.definitions.iter();
    let versions: Vec<_> = versions.map(|(name, hash)| format!("{name} {hash}")).collect();
    let mut document = Map::new();
    document.insert("$schema".to_owned(), DIALECT.into());
    document.insert("$comment".to_owned(), versions.join(", ").into());
    document.insert("$defs".to_owned(), shared.into());
    for (name, spoken) in &contract.participants {
        document.insert(name.to_string(), participant(name, spoken));
    }
    document.into()
}

fn participant(name: &ParticipantName, spoken: &Spoken) -> Value {
    let mut document = json!({
        "commands": {
            "queue": topology::command_queue(name),
            "headers": { "$ref": format!("#/$defs/{COMMAND_HEADERS}") },
        },
        "replies": {
            "exchange": topology::REPLIES,
            "routing_key": name,
            "headers": { "$ref": format!("#/$defs/{REPLY_HEADERS}") },
        },
    });
    for (phase, title) in PHASES {
        let words = spoken.iter().filter(|((of, _), _)| *of == phase);
        let words: Map<_, _> = words
            .map(|((_, word), exchange)| {
                let spoken = json!({
                    "type": format!("{name}.{word}"),
                    "used_by": exchange.users(),
                    "command": exchange.command(),
                    "reply": exchange.reply(),
                });
                (word.clone(), spoken)
            })
            .collect();
        document[title] = words.into();
    }
    document
}
