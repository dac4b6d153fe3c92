//! `saga check`: validates definitions, without an orchestrator.

use std::sync::Arc;

use saga_core::{Diagnostic, definition::Severity};
use saga_engine::Definitions;
use serde_json::json;

use super::{
    Failure, Status, output,
    paths::{Paths, Unreadable},
    view,
};

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
    unreadable: Vec<Unreadable>,
}

/// Checks all that can be read, and what they are to each other: they are meant for one
/// orchestrator.
pub(crate) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let findings = find(&arguments.paths);
    match arguments.json {
        true => output::data(&findings.to_json())?,
        false if findings.is_empty() => {}
        false => output::data(&findings.to_text())?,
    }
    for unreadable in &findings.unreadable {
        output::failure(&unreadable.failure(COMMAND));
    }
    output::say(&findings.summary());
    let is_refused = findings.errors() > 0 || (arguments.deny_warnings && findings.warnings() > 0);
    Ok(match findings.unreadable.as_slice() {
        [] if is_refused => Status::No,
        [] => Status::Done,
        _ => Status::Cannot,
    })
}

fn find(paths: &Paths) -> Findings {
    let found = paths.read();
    let (files, mut diagnostics, mut right) = (found.files.len(), Vec::new(), Vec::new());
    for (path, parsed) in found.files {
        match parsed {
            Ok(definition) => {
                diagnostics.extend_from_slice(&definition.warnings);
                right.push((path, Arc::new(definition)));
            }
            Err(wrong) => diagnostics.extend(wrong),
        }
    }
    let conflict = Definitions::of(right).err().map(|conflict| conflict.to_string());
    Findings { files, diagnostics, conflict, unreadable: found.unreadable }
}

impl Findings {
    fn errors(&self) -> usize {
        self.diagnostics.len() - self.warnings() + self.conflict.iter().len()
    }

    fn warnings(&self) -> usize {
        self.diagnostics.iter().filter(|found| found.severity == Severity::Warning).count()
    }

    /// How many of what, in one line.
    fn summary(&self) -> String {
        let count =
            |number: usize, thing| view::count(u32::try_from(number).unwrap_or(u32::MAX), thing);
        let found = match (self.errors(), self.warnings()) {
            (0, 0) => "nothing wrong".to_owned(),
            (errors, 0) => count(errors, "error"),
            (0, warnings) => count(warnings, "warning"),
            (errors, warnings) => {
                format!("{}, {}", count(errors, "error"), count(warnings, "warning"))
            }
        };
        let checked = format!("{} checked, {found}", count(self.files, "definition"));
        match self.unreadable.len() {
            0 => checked,
            unreadable => format!("{checked}; {} could not be read", count(unreadable, "path")),
        }
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
        items.extend(self.unreadable.iter().map(Unreadable::to_json));
        json!({ "items": items, "next": null }).to_string()
    }
}
