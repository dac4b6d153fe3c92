//! Files of definitions: which there are, and what each says.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use saga_core::{Definition, Diagnostic};
use saga_protocol::limits;

use super::Served;

/// How files end that stand beside definitions and are none: they tell editors the format.
const SCHEMA_ENDING: &str = ".schema.json";

/// Why a folder of definitions cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// There is nothing to serve.
    #[error("`{0}` has no definition: put a `*.yaml` file into it, or name another folder")]
    Empty(String),
    /// Files are wrong; all that is wrong with them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Diagnostic>),
    /// Two files want the same name or path, or there are too many participants.
    #[error("{0}")]
    Conflict(String),
}

impl Served {
    /// Reads every `*.yaml`, `*.yml` and `*.json` of a folder, and finds all that is wrong at once.
    ///
    /// # Errors
    /// [`LoadError`] naming files, lines and the way out.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        let mut parsed = Vec::new();
        let mut wrong = Vec::new();
        for path in files(folder)? {
            match read(&path)? {
                Ok(definition) => parsed.push((path, Arc::new(definition))),
                Err(diagnostics) => wrong.extend(diagnostics),
            }
        }
        if !wrong.is_empty() {
            return Err(LoadError::Wrong(wrong));
        }
        if parsed.is_empty() {
            return Err(LoadError::Empty(folder.display().to_string()));
        }
        for warning in parsed.iter().flat_map(|(_, definition)| &definition.warnings) {
            let why = warning.to_string();
            tracing::warn!(why, "a definition is served as it is, and could be better");
        }
        Self::of(parsed)
    }
}

/// Reads and checks one file.
///
/// # Errors
/// [`LoadError::Unreadable`]; what is wrong with its content is the inner error.
pub fn read(path: &Path) -> Result<Result<Definition, Vec<Diagnostic>>, LoadError> {
    let name = path.display().to_string();
    let unreadable = |source| LoadError::Unreadable { path: name.clone(), source };
    let length = fs::metadata(path).map_err(unreadable)?.len();
    if length > limits::DEFINITION_BYTES_MAX as u64 {
        let max = limits::DEFINITION_BYTES_MAX;
        let reason = format!("it has {length} bytes, and a definition has at most {max}");
        return Err(unreadable(io::Error::new(io::ErrorKind::FileTooLarge, reason)));
    }
    let text = fs::read_to_string(path).map_err(unreadable)?;
    Ok(Definition::parse(&name, &text))
}

/// The definition files of a folder, or the file itself, in the order of their names.
///
/// # Errors
/// [`LoadError::Unreadable`].
pub fn files(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.display().to_string(), source };
    if fs::metadata(path).map_err(unreadable)?.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_definition = matches!(extension, Some("yaml" | "yml" | "json"))
            && !path.to_string_lossy().ends_with(SCHEMA_ENDING);
        if is_definition && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
