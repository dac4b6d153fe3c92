//! The definitions that new sagas follow: one whole set, which does not change. A reload makes
//! another one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::Arc,
};

use saga_core::Definition;
use saga_protocol::{DefinitionName, ParticipantName, limits};

use super::LoadError;

/// What new sagas can follow, by name.
#[derive(Debug, Default)]
pub struct Served(BTreeMap<DefinitionName, Source>);

/// A definition and where it was read.
#[derive(Clone, Debug)]
pub struct Source {
    /// The definition.
    pub definition: Arc<Definition>,
    /// The file.
    pub file: PathBuf,
}

/// What differs for one name between a set and the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It was not there; with its version.
    New(DefinitionName, String),
    /// From one version to another.
    Version(DefinitionName, String, String),
    /// It is not there any more; with the version that it had.
    Removed(DefinitionName, String),
}

impl Served {
    /// These, read from these files.
    ///
    /// # Errors
    /// [`LoadError::Conflict`] naming both files.
    pub fn of(parsed: Vec<(PathBuf, Arc<Definition>)>) -> Result<Self, LoadError> {
        let mut by_name = BTreeMap::new();
        let mut claims = BTreeMap::new();
        for (file, definition) in parsed {
            let path = file.display().to_string();
            let exposed = definition.expose.as_ref().map(|expose| expose.path.clone());
            let names = [Some(format!("saga `{}`", definition.name)), exposed];
            for name in names.into_iter().flatten() {
                if let Some(other) = claims.insert(name.clone(), path.clone()) {
                    let message = format!("`{other}` and `{path}` both declare {name}: rename one");
                    return Err(LoadError::Conflict(message));
                }
            }
            by_name.insert(definition.name.clone(), Source { definition, file });
        }
        let served = Self(by_name);
        served.check_paths()?;
        let count = served.participants().len();
        if count > limits::PARTICIPANTS_MAX {
            let message = format!(
                "the definitions name {count} participants, more than {}",
                limits::PARTICIPANTS_MAX
            );
            return Err(LoadError::Conflict(message));
        }
        Ok(served)
    }

    /// A path one below another would hide the saga whose key it ends in.
    fn check_paths(&self) -> Result<(), LoadError> {
        let exposed = || {
            self.sources().filter_map(|source| Some((source, source.definition.expose.as_ref()?)))
        };
        for (source, expose) in exposed() {
            let (above, key) = expose.path.rsplit_once('/').unwrap_or_default();
            if let Some((other, _)) = exposed().find(|(_, other)| other.path == above) {
                let (file, other) = (source.file.display(), other.file.display());
                let message = format!(
                    "`{file}` exposes `{}`, where the saga with key `{key}` of `{other}` is to be \
                     found: choose another path",
                    expose.path
                );
                return Err(LoadError::Conflict(message));
            }
        }
        Ok(())
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.0.values().map(|source| &source.definition)
    }

    /// The one of this name, and where it was read.
    pub fn get(&self, name: &str) -> Option<&Source> {
        self.sources().find(|source| source.definition.name.as_str() == name)
    }

    /// All of them with where they were read, by name.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.0.values()
    }

    /// Everybody that they ask.
    pub(crate) fn participants(&self) -> BTreeSet<ParticipantName> {
        self.all().flat_map(|definition| definition.participants()).collect()
    }

    /// What is other in `next`, by name.
    pub(crate) fn changes(&self, next: &Self) -> Vec<Change> {
        let names: BTreeSet<_> = self.0.keys().chain(next.0.keys()).collect();
        let change = |name: &DefinitionName| match (self.hash(name), next.hash(name)) {
            (None, Some(new)) => Some(Change::New(name.clone(), new)),
            (Some(old), None) => Some(Change::Removed(name.clone(), old)),
            (Some(old), Some(new)) if old != new => Some(Change::Version(name.clone(), old, new)),
            _ => None,
        };
        names.into_iter().filter_map(change).collect()
    }

    fn hash(&self, name: &DefinitionName) -> Option<String> {
        self.0.get(name).map(|source| source.definition.hash.clone())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New(name, new) => write!(f, "definition {name}: new, version {new}"),
            Self::Version(name, old, new) => {
                write!(f, "definition {name}: version {old} -> {new}")
            }
            Self::Removed(name, old) => {
                write!(f, "definition {name}: removed, version {old}; its sagas in flight go on")
            }
        }
    }
}
