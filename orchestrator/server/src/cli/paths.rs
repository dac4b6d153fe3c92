//! The definitions that commands without an orchestrator are given: files, and folders of them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use saga_core::{Definition, Diagnostic};
use saga_engine::definitions::{self, LoadError};

use super::Failure;

/// Which definitions are meant.
#[derive(clap::Args)]
pub(super) struct Paths {
    /// Definitions, or folders of them
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Paths {
    /// Their files in the order of their names, each once, for the command of this name.
    pub(super) fn files(&self, command: &str) -> Result<BTreeSet<PathBuf>, Failure> {
        let mut files = BTreeSet::new();
        for path in &self.paths {
            let found = definitions::files(path).map_err(|error| unusable(command, &error))?;
            if found.is_empty() {
                let empty = LoadError::Empty(path.display().to_string());
                return Err(unusable(command, &empty));
            }
            files.extend(found);
        }
        Ok(files)
    }
}

/// One of the files, for the command of this name; what is wrong with its content is the inner
/// error.
pub(super) fn read(
    file: &Path,
    command: &str,
) -> Result<Result<Definition, Vec<Diagnostic>>, Failure> {
    definitions::read(file).map_err(|error| unusable(command, &error))
}

/// What cannot be read is no answer.
fn unusable(command: &str, error: &LoadError) -> Failure {
    let hint = format!("`saga {command}` takes files, and folders with `*.yaml`");
    Failure::cannot(error.to_string()).hint(hint)
}
