//! The definitions this orchestrator knows: those in its folder, which new sagas follow, and older
//! versions that sagas in flight still follow, by hash.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, RwLock},
};

use saga_core::{Definition, Diagnostic};
use saga_protocol::{DefinitionName, ParticipantName, limits};
use saga_store::{DefinitionRow, Store};

/// Definitions by name, by path and by version.
pub struct Definitions {
    current: BTreeMap<DefinitionName, Arc<Definition>>,
    by_hash: RwLock<HashMap<String, Arc<Definition>>>,
}

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
    #[error(
        "`{0}` has no definition: put a `*.yaml` file into it, or name another folder with `--defs`"
    )]
    Empty(String),
    /// Files are wrong; all that is wrong with them.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Wrong(Vec<Diagnostic>),
    /// Two files want the same name or path, or there are too many participants.
    #[error("{0}")]
    Conflict(String),
}

impl Definitions {
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
        Self::of(parsed)
    }

    /// These, read from these files.
    ///
    /// # Errors
    /// [`LoadError::Conflict`] naming both files.
    pub fn of(parsed: Vec<(PathBuf, Arc<Definition>)>) -> Result<Self, LoadError> {
        let mut current = BTreeMap::new();
        let mut claims = BTreeMap::new();
        let mut participants = BTreeSet::new();
        for (path, definition) in parsed {
            let path = path.display().to_string();
            let exposed = definition.expose.as_ref().map(|expose| expose.path.clone());
            let names = [Some(format!("saga `{}`", definition.name)), exposed];
            for name in names.into_iter().flatten() {
                if let Some(other) = claims.insert(name.clone(), path.clone()) {
                    let message = format!("`{other}` and `{path}` both declare {name}: rename one");
                    return Err(LoadError::Conflict(message));
                }
            }
            participants.extend(definition.participants());
            current.insert(definition.name.clone(), definition);
        }
        if participants.len() > limits::PARTICIPANTS_MAX {
            let message = format!(
                "the definitions name {} participants, more than {}",
                participants.len(),
                limits::PARTICIPANTS_MAX
            );
            return Err(LoadError::Conflict(message));
        }
        let by_hash = current.values().map(|d| (d.hash.clone(), Arc::clone(d))).collect();
        Ok(Self { current, by_hash: RwLock::new(by_hash) })
    }

    /// The version that new sagas of this name follow.
    pub fn current(&self, name: &str) -> Option<Arc<Definition>> {
        self.all().find(|definition| definition.name.as_str() == name).cloned()
    }

    /// All that new sagas can follow, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.current.values()
    }

    /// Everybody that a known definition asks.
    pub fn participants(&self) -> Vec<ParticipantName> {
        let known = self.by_hash.read().map(|known| {
            known.values().flat_map(|definition| definition.participants()).collect::<BTreeSet<_>>()
        });
        known.unwrap_or_default().into_iter().collect()
    }

    /// A version, where it is known here already.
    pub fn version(&self, hash: &str) -> Option<Arc<Definition>> {
        self.by_hash.read().ok()?.get(hash).cloned()
    }

    /// Keeps the folder's definitions in the store, so that sagas in flight outlive the files.
    ///
    /// # Errors
    /// The store's.
    pub async fn publish(&self, store: &dyn Store) -> Result<(), saga_store::Error> {
        let rows = self.all().map(|definition| DefinitionRow {
            hash: definition.hash.clone(),
            name: definition.name.to_string(),
            body: definition.canonical.clone(),
        });
        store.put_definitions(&rows.collect::<Vec<_>>()).await
    }

    /// Fetches versions that are not known here from the store. What the store does not know
    /// either, or what this program does not understand, stays unknown.
    ///
    /// # Errors
    /// The store's.
    pub async fn learn(
        &self,
        hashes: &BTreeSet<String>,
        store: &dyn Store,
    ) -> Result<(), saga_store::Error> {
        let unknown: Vec<_> =
            hashes.iter().filter(|hash| self.version(hash).is_none()).cloned().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        for row in store.definitions(&unknown).await? {
            match Definition::from_canonical(row.body.get()) {
                Ok(definition) => {
                    if let Ok(mut known) = self.by_hash.write() {
                        known.insert(row.hash, Arc::new(definition));
                    }
                }
                Err(diagnostics) => {
                    let (hash, name) = (row.hash, row.name);
                    let why = diagnostics.first().map(ToString::to_string).unwrap_or_default();
                    tracing::error!(
                        definition.name = name,
                        definition.hash = hash,
                        why,
                        "a stored definition is not understood; is this program older than it?"
                    );
                }
            }
        }
        Ok(())
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
        if matches!(extension, Some("yaml" | "yml" | "json")) && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
