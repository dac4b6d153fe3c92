//! `saga contract`: what participants must speak, without an orchestrator.

use std::sync::Arc;

use saga_core::contract::Contract;
use saga_engine::Definitions;
use saga_protocol::ParticipantName;

use super::{Failure, Status, output, paths::Paths};

const COMMAND: &str = "contract";

/// What `saga contract` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    paths: Paths,
    /// What the contract is written in
    #[arg(long, value_enum, default_value_t = Format::Jsonschema)]
    format: Format,
    /// Only what this participant must speak
    #[arg(long, value_name = "NAME")]
    participant: Option<ParticipantName>,
}

/// What a contract is written in.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    /// JSON Schemas of what each participant receives and answers
    Jsonschema,
    /// AsyncAPI 3.0, with queues, routing keys and headers
    Asyncapi,
}

/// Writes it.
pub(crate) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let definitions = read(&arguments.paths)?;
    let mut contract = Contract::of(definitions.iter().map(Arc::as_ref));
    if let Some(participant) = &arguments.participant {
        let Some(only) = contract.only(participant) else {
            let names: Vec<_> = contract.participants().map(|name| format!("`{name}`")).collect();
            let message = format!("no step has the participant `{participant}`");
            return Err(Failure::no(message).hint(format!("there are {}", names.join(", "))));
        };
        contract = only;
    }
    let document = match arguments.format {
        Format::Jsonschema => contract.to_json_schema(),
        Format::Asyncapi => contract.to_asyncapi(),
    };
    output::data(&format!("{document:#}"))?;
    Ok(Status::Done)
}

/// All of them; a contract of what one orchestrator cannot serve would be none.
fn read(paths: &Paths) -> Result<Vec<Arc<saga_core::Definition>>, Failure> {
    let right = paths.read().whole(COMMAND)?;
    let right: Vec<_> =
        right.into_iter().map(|(file, definition)| (file, Arc::new(definition))).collect();
    let all = right.iter().map(|(_, definition)| Arc::clone(definition)).collect();
    Definitions::of(right).map_err(|conflict| Failure::no(conflict.to_string()))?;
    Ok(all)
}
