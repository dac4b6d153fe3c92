//! The definitions this orchestrator knows: those in its folder, which new sagas follow (`served`,
//! read by `load`), and older versions that sagas in flight still follow, by hash. How a folder
//! that has changed takes the place of the one before: `reload`.

mod load;
mod reload;
mod served;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use saga_core::Definition;
use saga_protocol::ParticipantName;
use saga_store::{DefinitionRow, Store};
use tokio::sync::Mutex;

pub use self::{
    load::{LoadError, files, read},
    reload::Reloaded,
    served::{Served, Source},
};

/// Definitions by name and by version.
pub struct Definitions {
    /// Replaced whole: whoever reads it sees one set or the next, and never half of each.
    served: RwLock<Arc<Served>>,
    /// Every version that was ever met here.
    by_hash: RwLock<HashMap<String, Arc<Definition>>>,
    /// Why the files as they are now are not served.
    reload_error: RwLock<Option<Arc<str>>>,
    /// Held by who reloads: a set that was read earlier never replaces one that was read later.
    reloading: Mutex<()>,
}

impl Definitions {
    /// Reads those of a folder.
    ///
    /// # Errors
    /// [`LoadError`] naming files, lines and the way out.
    pub fn load(folder: &Path) -> Result<Self, LoadError> {
        Served::load(folder).map(Self::serving)
    }

    /// These, read from these files.
    ///
    /// # Errors
    /// [`LoadError::Conflict`] naming both files.
    pub fn of(parsed: Vec<(PathBuf, Arc<Definition>)>) -> Result<Self, LoadError> {
        Served::of(parsed).map(Self::serving)
    }

    fn serving(served: Served) -> Self {
        let by_hash = served.all().map(|d| (d.hash.clone(), Arc::clone(d))).collect();
        Self {
            served: RwLock::new(Arc::new(served)),
            by_hash: RwLock::new(by_hash),
            reload_error: RwLock::default(),
            reloading: Mutex::default(),
        }
    }

    /// All that new sagas can follow now.
    pub fn served(&self) -> Arc<Served> {
        Arc::clone(&read_lock(&self.served))
    }

    /// The version that new sagas of this name follow.
    pub fn current(&self, name: &str) -> Option<Arc<Definition>> {
        self.served().get(name).map(|source| Arc::clone(&source.definition))
    }

    /// Why the files as they are now are not served; nothing where they are.
    pub fn reload_error(&self) -> Option<Arc<str>> {
        read_lock(&self.reload_error).clone()
    }

    /// Everybody that a known definition asks.
    pub fn participants(&self) -> Vec<ParticipantName> {
        let known = read_lock(&self.by_hash);
        let participants: BTreeSet<_> =
            known.values().flat_map(|definition| definition.participants()).collect();
        participants.into_iter().collect()
    }

    /// A version, where it is known here already.
    pub fn version(&self, hash: &str) -> Option<Arc<Definition>> {
        read_lock(&self.by_hash).get(hash).cloned()
    }

    /// Keeps the folder's definitions in the store, so that sagas in flight outlive the files.
    ///
    /// # Errors
    /// The store's.
    pub async fn publish(&self, store: &dyn Store) -> Result<(), saga_store::Error> {
        publish(&self.served(), store).await
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
                Ok(definition) => self.know(row.hash, Arc::new(definition)),
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

    fn know(&self, hash: String, definition: Arc<Definition>) {
        let mut known = self.by_hash.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(hash, definition);
    }
}

async fn publish(served: &Served, store: &dyn Store) -> Result<(), saga_store::Error> {
    let rows = served.all().map(|definition| DefinitionRow {
        hash: definition.hash.clone(),
        name: definition.name.to_string(),
        body: definition.canonical.clone(),
    });
    store.put_definitions(&rows.collect::<Vec<_>>()).await
}

/// Whoever panicked with the lock held left what it guards whole.
fn read_lock<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}
