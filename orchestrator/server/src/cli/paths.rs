//! The definitions that commands without an orchestrator are given: files, folders of them, and the
//! standard input.

use std::{
    collections::BTreeSet,
    io::{self, Read},
    path::{Path, PathBuf},
};

use saga_core::{Definition, Diagnostic, definition::Severity};
use saga_engine::definitions::{self, LoadError};
use saga_protocol::limits;
use serde_json::{Value, json};

use super::Failure;

/// The path that stands for the standard input, and what that is called in messages.
const STDIN: &str = "-";
const STDIN_NAME: &str = "<stdin>";

/// Which definitions are meant.
#[derive(clap::Args)]
pub(super) struct Paths {
    /// Definitions, or folders of them; `-` is the standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

/// What is there.
pub(super) struct Found {
    /// Each file once, in the order of their names; what is wrong with its content is the error.
    pub(super) files: Vec<(PathBuf, Result<Definition, Vec<Diagnostic>>)>,
    pub(super) unreadable: Vec<Unreadable>,
}

/// What cannot be read is no answer.
pub(super) struct Unreadable {
    path: String,
    why: String,
}

impl Paths {
    /// All that is there.
    pub(super) fn read(&self) -> Found {
        read(&self.paths)
    }

    /// Whether one of them is the standard input.
    pub(super) fn have_stdin(&self) -> bool {
        self.paths.iter().any(|path| is_stdin(path))
    }
}

/// All that is at these paths.
pub(super) fn read(paths: &[PathBuf]) -> Found {
    let mut names = BTreeSet::new();
    let mut found = Found { files: Vec::new(), unreadable: Vec::new() };
    for path in paths {
        if is_stdin(path) {
            names.insert(path.clone());
            continue;
        }
        match definitions::files(path) {
            Ok(inside) if inside.is_empty() => {
                let empty = LoadError::Empty(path.display().to_string());
                found.unreadable.push(Unreadable::of(path, &empty));
            }
            Ok(inside) => names.extend(inside),
            Err(error) => found.unreadable.push(Unreadable::of(path, &error)),
        }
    }
    for name in names {
        let parsed = if is_stdin(&name) { read_stdin() } else { definitions::read(&name) };
        let name = if is_stdin(&name) { PathBuf::from(STDIN_NAME) } else { name };
        match parsed {
            Ok(parsed) => found.files.push((name, parsed)),
            Err(error) => found.unreadable.push(Unreadable::of(&name, &error)),
        }
    }
    found
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new(STDIN)
}

fn read_stdin() -> Result<Result<Definition, Vec<Diagnostic>>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: STDIN_NAME.to_owned(), source };
    let max = limits::DEFINITION_BYTES_MAX;
    let mut text = String::new();
    let stdin = io::stdin().lock().take(max as u64 + 1);
    io::BufReader::new(stdin).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() > max {
        let reason = format!("a definition has at most {max} bytes");
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    Ok(Definition::parse(STDIN_NAME, &text))
}

impl Found {
    /// The definitions, where all are there and right, for the command of this name; else all that
    /// is wrong.
    pub(super) fn whole(self, command: &str) -> Result<Vec<(PathBuf, Definition)>, Failure> {
        let (mut right, mut wrong) = (Vec::new(), Vec::new());
        for (file, parsed) in self.files {
            match parsed {
                Ok(definition) => right.push((file, definition)),
                Err(diagnostics) => wrong.extend(diagnostics),
            }
        }
        if let Some((first, others)) = self.unreadable.split_first() {
            let others = others.iter().map(|other| other.why.clone());
            let details = others.chain(wrong.iter().map(ToString::to_string));
            return Err(first.failure(command).details(details.collect()));
        }
        if wrong.is_empty() { Ok(right) } else { Err(Failure::wrong(&wrong)) }
    }
}

impl Unreadable {
    fn of(path: &Path, error: &LoadError) -> Self {
        Self { path: path.display().to_string(), why: error.to_string() }
    }

    /// For the command of this name.
    pub(super) fn failure(&self, command: &str) -> Failure {
        let hint = format!("`saga {command}` takes files, folders with `*.yaml`, and `-`");
        Failure::cannot(self.why.clone()).hint(hint)
    }

    /// As an item beside diagnostics.
    pub(super) fn to_json(&self) -> Value {
        json!({ "file": self.path, "severity": Severity::Error, "message": self.why })
    }
}
