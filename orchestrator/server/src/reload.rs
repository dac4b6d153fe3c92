//! When the definitions are loaded again: on SIGHUP, and when their files have changed.
//!
//! The files are looked at now and then instead of asking the kernel: that works wherever they are,
//! on a network's drive and behind the symbolic links by which Kubernetes swaps a config map, too.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use saga_engine::{
    Engine, Reloaded,
    definitions::{self, LoadError},
};
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::cli::Failure;

/// Between two looks at the files. Whoever changed one waits for two of them; a folder of some
/// dozen files is not felt by anybody so often.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What has the definitions loaded again.
pub(crate) struct Reloads {
    hangups: Signal,
    watch: Watch,
}

/// Whether files have changed, and are not being changed any more.
struct Watch {
    folder: PathBuf,
    /// As they were at the last look.
    seen: Look,
    /// As they were when they were last loaded or refused; nothing where that is owed.
    tried: Option<Look>,
}

/// What can be told of files without reading them.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Look {
    Files(Vec<(PathBuf, Marks)>),
    /// Why nothing can be told.
    Unreadable(String),
}

/// What differs once a file was written: a copy may keep its length and its time, and another file
/// may have taken its place, but not all of these stay.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Marks {
    length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
}

impl Reloads {
    /// Listens to signals from now on, and remembers the files as they are before they are loaded
    /// for the first time.
    ///
    /// # Errors
    /// When the process cannot listen.
    pub(crate) fn listen(folder: &Path) -> Result<Self, Failure> {
        let hangups = signal(SignalKind::hangup());
        let hangups = hangups
            .map_err(|error| Failure::cannot(format!("cannot listen to SIGHUP: {error}")))?;
        Ok(Self { hangups, watch: Watch::of(folder, Look::at(folder)) })
    }

    /// Has them loaded again whenever that is due, until `stop`.
    pub(crate) async fn run(mut self, engine: &Engine, stop: &CancellationToken) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_told = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                Some(()) = self.hangups.recv() => true,
                _ = looks.tick() => false,
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.watch.turn(is_told, engine) => {}
            }
        }
    }
}

impl Watch {
    fn of(folder: &Path, look: Look) -> Self {
        Self { folder: folder.to_owned(), seen: look.clone(), tried: Some(look) }
    }

    /// Looks, and has them loaded where that is due or somebody says so.
    async fn turn(&mut self, is_told: bool, engine: &Engine) {
        let folder = self.folder.clone();
        // Aside: a drive that does not answer must not hold up others.
        let Ok(look) = tokio::task::spawn_blocking(move || Look::at(&folder)).await else { return };
        if is_told {
            tracing::info!(folder = %self.folder.display(), "told to load the definitions again");
        }
        if self.is_due(look) || is_told {
            let reloaded = engine.reload(&self.folder).await;
            self.tried = (reloaded != Reloaded::PutOff).then(|| self.seen.clone());
        }
    }

    /// Whether there is something to load: not what was loaded, and the same at two looks, so that
    /// nobody is writing it just now.
    fn is_due(&mut self, look: Look) -> bool {
        let is_settled = self.seen == look;
        self.seen = look;
        is_settled && self.tried.as_ref() != Some(&self.seen)
    }
}

impl Look {
    fn at(folder: &Path) -> Self {
        let marks = |path: PathBuf| match fs::metadata(&path) {
            Ok(metadata) => Ok((path, Marks::of(&metadata))),
            Err(source) => Err(LoadError::Unreadable { path: path.display().to_string(), source }),
        };
        let files = definitions::files(folder)
            .and_then(|files| files.into_iter().map(marks).collect::<Result<_, _>>());
        files.map_or_else(|error| Self::Unreadable(error.to_string()), Self::Files)
    }
}

impl Marks {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("saga-{name}-{}", std::process::id()));
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn at(folder: &Path) -> (Look, Look) {
        (Look::at(folder), Look::at(folder))
    }

    #[test]
    fn whatever_changes_files_is_seen() {
        let folder = folder("look");
        for version in ["one", "two"] {
            fs::create_dir(folder.join(version)).unwrap();
            fs::write(folder.join(version).join("a.yaml"), "as long").unwrap();
        }
        symlink("one", folder.join("data")).unwrap();
        symlink("data/a.yaml", folder.join("a.yaml")).unwrap();
        let changes: [(&str, &dyn Fn()); 5] = [
            ("a link that was swapped", &|| {
                symlink("two", folder.join("next")).unwrap();
                fs::rename(folder.join("next"), folder.join("data")).unwrap();
            }),
            ("a file that was written", &|| fs::write(folder.join("a.yaml"), "longer").unwrap()),
            ("a file that came", &|| fs::write(folder.join("b.yaml"), "").unwrap()),
            ("a file that has another name", &|| {
                fs::rename(folder.join("b.yaml"), folder.join("c.yaml")).unwrap();
            }),
            ("a folder that went", &|| fs::remove_dir_all(&folder).unwrap()),
        ];
        for (what, change) in changes {
            let (before, same) = at(&folder);
            assert_eq!(before, same, "before {what}");
            change();
            assert_ne!(Look::at(&folder), before, "{what}");
        }
    }

    #[test]
    fn only_what_has_settled_is_loaded_and_only_once() {
        let look = |what: &str| Look::Unreadable(what.to_owned());
        let mut watch = Watch::of(Path::new("."), look("old"));
        let mut seen = Vec::new();
        for now in ["old", "half", "new", "new", "new", "old", "old", "new", "old", "old"] {
            let is_due = watch.is_due(look(now));
            if is_due {
                watch.tried = Some(watch.seen.clone());
            }
            seen.push(is_due);
        }
        let t = true;
        let f = false;
        assert_eq!(seen, [f, f, f, t, f, f, t, f, f, f]);
        watch.tried = None;
        assert!(watch.is_due(look("old")), "what the database could not keep is owed");
    }
}
