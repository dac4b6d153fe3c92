//! `saga check`: validates definitions, without an orchestrator.

use std::sync::Arc;

use saga_core::{Diagnostic, definition::Severity};
use serde_json::json;

use super::{
    Failure, Status, output,
    paths::{self, Paths},
    view,
};
use saga_engine::Definitions;

const COMMAND: &str = "check";

/// What `saga check` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    paths: Paths,
    /// Takes what cannot be proven for wrong: warnings too are answered with exit code 1
    #[arg(long)]
    deny_warnings: bool,
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
    match arguments.json {
        true => output::data(&findings.to_json())?,
        false if findings.is_empty() => {}
        false => output::data(&findings.to_text())?,
    }
    let (errors, warnings) = (findings.errors(), findings.warnings());
    let count =
        |number: usize, thing| view::count(u32::try_from(number).unwrap_or(u32::MAX), thing);
    let found = match (errors, warnings) {
        (0, 0) => "nothing wrong".to_owned(),
        (errors, 0) => count(errors, "error"),
        (0, warnings) => count(warnings, "warning"),
        (errors, warnings) => {
            format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
        }
    };
    output::say(&format!("{} checked, {found}", count(findings.files, "definition")));
    let is_refused = errors > 0 || (arguments.deny_warnings && warnings > 0);
    Ok(if is_refused { Status::No } else { Status::Done })
}

fn find(paths: &Paths) -> Result<Findings, Failure> {
    let files = paths.files(COMMAND)?;
    let mut findings = Findings { files: files.len(), diagnostics: Vec::new(), conflict: None };
    let mut right = Vec::new();
    for path in files {
        match paths::read(&path, COMMAND)? {
            Ok(definition) => {
                findings.diagnostics.extend_from_slice(&definition.warnings);
                right.push((path, Arc::new(definition)));
            }
            Err(wrong) => findings.diagnostics.extend(wrong),
        }
    }
    findings.conflict = Definitions::of(right).err().map(|conflict| conflict.to_string());
    Ok(findings)
}

impl Findings {
    fn errors(&self) -> usize {
        self.diagnostics.len() - self.warnings() + self.conflict.iter().len()
    }

    fn warnings(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Warning).count()
    }

    fn is_empty(&self) -> bool {
        self.diagnostics.is_empty() && self.conflict.is_none()
    }

    fn to_text(&self) -> String {
        let mut blocks: Vec<_> = self.diagnostics.iter().map(ToString::to_string).collect();
        blocks.extend(self.conflict.iter().map(|conflict| format!("error: {conflict}")));
        blocks.join("\n")
    }

    fn to_json(&self) -> String {
        let mut items: Vec<_> = self.diagnostics.iter().map(|found| json!(found)).collect();
        items.extend(
            self.conflict
                .iter()
                .map(|message| json!({ "severity": Severity::Error, "message": message })),
        );
        json!({ "items": items, "next": null }).to_string()
    }
}
