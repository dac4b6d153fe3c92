//! `saga contract`: what participants must speak, without an orchestrator.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use saga_core::contract::Contract;
use saga_engine::{
    Definitions,
    definitions::{self, LoadError},
};
use saga_protocol::ParticipantName;

use super::{Failure, Status, output};

/// What `saga contract` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Definitions, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
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
fn read(paths: &[PathBuf]) -> Result<Vec<Arc<saga_core::Definition>>, Failure> {
    let mut files = BTreeSet::new();
    for path in paths {
        let found = definitions::files(path).map_err(|error| unusable(&error))?;
        if found.is_empty() {
            return Err(unusable(&LoadError::Empty(path.display().to_string())));
        }
        files.extend(found);
    }
    let (mut right, mut wrong) = (Vec::new(), Vec::new());
    for path in files {
        match definitions::read(&path).map_err(|error| unusable(&error))? {
            Ok(definition) => right.push((path, Arc::new(definition))),
            Err(diagnostics) => wrong.extend(diagnostics),
        }
    }
    if !wrong.is_empty() {
        return Err(Failure::wrong(&wrong));
    }
    let all = right.iter().map(|(_, definition)| Arc::clone(definition)).collect();
    Definitions::of(right).map_err(|conflict| Failure::no(conflict.to_string()))?;
    Ok(all)
}

fn unusable(error: &LoadError) -> Failure {
    let hint = "`saga contract` takes files, and folders with `*.yaml`";
    Failure::cannot(error.to_string()).hint(hint)
}
