//! Reloading: the folder as it is now takes the place of what it was, or nothing changes at all.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
};

use super::{Definitions, LoadError, Served, publish};
use crate::Engine;

/// The most that is shown of what is wrong: the log has all of it.
const ERROR_CHARS_MAX: usize = 4_000;

/// What became of a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The folder's definitions are served from now on.
    Changed,
    /// They are those that were served before.
    Unchanged,
    /// The files are wrong or cannot be read: what was served before still is.
    Refused,
    /// The database cannot keep them now: what was served before still is. Try again later.
    PutOff,
}

impl Reloaded {
    pub(crate) const ALL: [Self; 4] = [Self::Changed, Self::Unchanged, Self::Refused, Self::PutOff];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
            Self::PutOff => "put_off",
        }
    }
}

impl Engine {
    /// Reads the folder anew, and serves what it says from now on where all of it is right. Sagas
    /// in flight keep the version that they began with.
    ///
    /// Before a version is current the store has it and its participants' queues are declared, so
    /// that no saga refers to what others cannot learn.
    pub async fn reload(&self, folder: &Path) -> Reloaded {
        let definitions = &self.0.definitions;
        let _turn = definitions.reloading.lock().await;
        let reloaded = match load(folder.to_owned()).await {
            Ok(served) => self.replace(served).await,
            Err(error) => {
                let why = error.to_string();
                tracing::error!(
                    folder = %folder.display(),
                    why,
                    "THE DEFINITIONS CANNOT BE LOADED: what was served before still is; mend the \
                     files, and they are loaded by themselves"
                );
                definitions.say_wrong(Some(&why));
                Reloaded::Refused
            }
        };
        self.0.metrics.reloaded(reloaded);
        reloaded
    }

    async fn replace(&self, next: Served) -> Reloaded {
        let definitions = &self.0.definitions;
        let changes = definitions.served().changes(&next);
        // Also where nothing else has changed: a file may have another name.
        if let Err(error) = publish(&next, &*self.0.store).await {
            let why = format!("the database cannot keep the definitions: {error}");
            tracing::warn!(why, "what was served before still is");
            definitions.say_wrong(Some(&why));
            return Reloaded::PutOff;
        }
        for definition in next.all() {
            definitions.know(definition.hash.clone(), Arc::clone(definition));
        }
        self.0.bus.declare(&definitions.participants()).await;
        self.0.metrics.show(&next);
        *definitions.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
        if definitions.reload_error().is_some() {
            tracing::warn!("the definitions are right again, and served");
        }
        definitions.say_wrong(None);
        for change in &changes {
            tracing::info!("{change}");
        }
        if changes.is_empty() {
            tracing::info!("the definitions were loaded again and are what they were");
            return Reloaded::Unchanged;
        }
        Reloaded::Changed
    }
}

impl Definitions {
    fn say_wrong(&self, why: Option<&str>) {
        let shown = why.map(|why| why.chars().take(ERROR_CHARS_MAX).collect::<String>().into());
        *self.reload_error.write().unwrap_or_else(PoisonError::into_inner) = shown;
    }
}

/// Aside: files may be far away, and checking them takes time.
async fn load(folder: PathBuf) -> Result<Served, LoadError> {
    let loading = tokio::task::spawn_blocking(move || Served::load(&folder));
    // A panic is a bug of ours, and no reason to end what runs.
    loading.await.unwrap_or_else(|panic| Err(LoadError::Conflict(panic.to_string())))
}
