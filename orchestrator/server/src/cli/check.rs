//! `saga check`: validates definitions, without an orchestrator.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use saga_core::Diagnostic;
use serde_json::json;

use super::{Failure, Status, output, view};
use saga_engine::{
    Definitions,
    definitions::{self, LoadError},
};

/// What `saga check` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Definitions, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Prints one JSON document instead of text
    #[arg(long)]
    json: bool,
}

/// What was found.
struct Findings {
    files: usize,
    diagnostics: Vec<Diagnostic>,
    /// Between files: each is right and they do not go together.
    conflict: Option<String>,
}

/// Checks all, and what they are to each other: they are meant for one orchestrator.
pub(crate) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let findings = find(&arguments.paths)?;
    let wrong = findings.diagnostics.len() + findings.conflict.iter().len();
    match arguments.json {
        true => output::data(&findings.to_json())?,
        false if wrong > 0 => output::data(&findings.to_text())?,
        false => {}
    }
    let count =
        |number: usize, thing| view::count(u32::try_from(number).unwrap_or(u32::MAX), thing);
    let files = count(findings.files, "definition");
    match wrong {
        0 => {
            output::say(&format!("{files} checked, nothing wrong"));
            Ok(Status::Done)
        }
        wrong => {
            output::say(&format!("{files} checked, {}", count(wrong, "error")));
            Ok(Status::No)
        }
    }
}

fn find(paths: &[PathBuf]) -> Result<Findings, Failure> {
    let mut files = BTreeSet::new();
    for path in paths {
        let found = definitions::files(path).map_err(|error| unusable(&error))?;
        if found.is_empty() {
            return Err(unusable(&LoadError::Empty(path.display().to_string())));
        }
        files.extend(found);
    }
    let mut findings = Findings { files: files.len(), diagnostics: Vec::new(), conflict: None };
    let mut right = Vec::new();
    for path in files {
        match definitions::read(&path).map_err(|error| unusable(&error))? {
            Ok(definition) => right.push((path, Arc::new(definition))),
            Err(wrong) => findings.diagnostics.extend(wrong),
        }
    }
    findings.conflict = Definitions::of(right).err().map(|conflict| conflict.to_string());
    Ok(findings)
}

/// What cannot be read was not checked: that is no answer.
fn unusable(error: &LoadError) -> Failure {
    Failure::cannot(error.to_string()).hint("`saga check` takes files, and folders with `*.yaml`")
}

impl Findings {
    fn to_text(&self) -> String {
        let mut blocks: Vec<_> = self.diagnostics.iter().map(ToString::to_string).collect();
        blocks.extend(self.conflict.iter().map(|conflict| format!("error: {conflict}")));
        blocks.join("\n")
    }

    fn to_json(&self) -> String {
        let mut items: Vec<_> = self.diagnostics.iter().map(|found| json!(found)).collect();
        items.extend(self.conflict.iter().map(|message| json!({ "message": message })));
        json!({ "items": items, "next": null }).to_string()
    }
}
