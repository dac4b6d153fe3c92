//! The folder of one lab, and the watcher that ends the servers and removes the folder should we be
//! killed.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::{
        fs::{DirBuilderExt, MetadataExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    spawn::{self, Signal},
    wait,
};

/// What every folder's name begins with: by it those of dead owners are found.
const PREFIX: &str = "saga-lab-";
/// The file whose lock says that the owner lives. The kernel lets go of it with the owner's last
/// breath.
const OWNER: &str = "owner";
/// The file that names the processes to end.
const GUARDED: &str = "guarded";
/// A folder without an owner's file is either very young or was left behind; this tells which.
const YOUNG: Duration = Duration::from_secs(60);
/// Files may still be written by processes that are about to end.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits for the end of its input, which comes when the owner has ended, however that was; then
/// ends what is left.
const WATCHER: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
[ -f "$1/guarded" ] || exit 0
while read -r signal pid; do kill -s "$signal" -- "$pid" 2>/dev/null; done <"$1/guarded"
looks=0
while read -r signal pid; do
    while kill -0 -- "$pid" 2>/dev/null && [ "$looks" -lt 100 ]; do
        looks=$((looks + 1))
        sleep 0.1
    done
done <"$1/guarded"
rm -rf -- "$1" || { sleep 1; rm -rf -- "$1"; }
"#;

/// A folder of our own that is removed when dropped. What must end with it is entrusted to it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    guarded: Mutex<Vec<Guarded>>,
    watcher: Child,
    /// Held, never read: its lock is the sign of life.
    _owner: File,
}

/// A process that must not outlive the folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guarded {
    /// Its id; negative for a process group.
    pub pid: i64,
    /// How it is ended.
    pub signal: Signal,
}

impl Folder {
    /// A new folder, after those of dead owners have been removed.
    ///
    /// # Errors
    /// When neither `/var/tmp` nor the system's temporary folder can be written.
    pub fn create() -> Result<Self> {
        let path = create_somewhere()?;
        // It gets its name once it is locked: without, it would look as if its owner were dead.
        let unnamed = path.join("owner.next");
        let owner = File::create(&unnamed).context("cannot write to our own folder")?;
        owner.lock().context("cannot lock a file in our own folder")?;
        fs::rename(&unnamed, path.join(OWNER)).context("cannot write to our own folder")?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCHER, "saga-lab-watcher"]).arg(&path);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // A group of its own: Ctrl-C at the terminal is for us, not for the watcher.
        command.process_group(0).current_dir("/");
        let watcher = spawn::spawn(command).context("cannot run `/bin/sh`")?;
        let folder = Self { path, guarded: Mutex::default(), watcher, _owner: owner };
        folder.write_guarded(&[])?;
        remove_stale(&folder.path);
        Ok(folder)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder inside.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn subfolder(&self, name: &str) -> Result<PathBuf> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make `{}`", path.display()))?;
        Ok(path)
    }

    /// Has a process ended by the watcher should we not live to do it.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn guard(&self, process: Guarded) -> Result<()> {
        let mut guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        guarded.push(process);
        self.write_guarded(&guarded)
    }

    /// The process has ended: its id may soon be another's.
    pub fn release(&self, pid: i64) {
        let mut guarded = self.guarded.lock().unwrap_or_else(PoisonError::into_inner);
        guarded.retain(|process| process.pid != pid);
        // Should this fail, the watcher at worst signals a process that is gone.
        self.write_guarded(&guarded).ok();
    }

    /// Replaced in one go: the watcher may read it at any moment.
    fn write_guarded(&self, guarded: &[Guarded]) -> Result<()> {
        let lines =
            guarded.iter().map(|process| format!("{} {}\n", process.signal.name(), process.pid));
        let next = self.path.join("guarded.next");
        fs::write(&next, lines.collect::<String>())
            .and_then(|()| fs::rename(&next, self.path.join(GUARDED)))
            .with_context(|| format!("cannot write in `{}`", self.path.display()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        wait::blocking(REMOVE_TIMEOUT, || removed(&self.path));
        // The end of its input wakes the watcher, which finds nothing left to do.
        drop(self.watcher.stdin.take());
        self.watcher.wait().ok();
    }
}

/// Whether it is gone, after another try.
fn removed(path: &Path) -> bool {
    match fs::remove_dir_all(path) {
        Ok(()) => true,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// `/var/tmp` first: it is on a disk, so that syncing costs what it costs in production.
fn places() -> [PathBuf; 2] {
    [PathBuf::from("/var/tmp"), std::env::temp_dir()]
}

fn create_somewhere() -> Result<PathBuf> {
    let name = format!("{PREFIX}{:08x}", rand::random::<u32>());
    let mut refused = Vec::new();
    for place in places() {
        let path = place.join(&name);
        // Others may pass through, since Postgres runs as another user, but not look around.
        match DirBuilder::new().mode(0o711).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) => refused.push(format!("`{}`: {error}", path.display())),
        }
    }
    anyhow::bail!(
        "cannot make a folder for the lab; set `TMPDIR` to one that can be written ({})",
        refused.join("; ")
    )
}

/// Removes the folders that dead owners left behind, and ends what still runs in them.
fn remove_stale(ours: &Path) {
    let Ok(our_id) = fs::metadata(ours).map(|metadata| metadata.uid()) else {
        return;
    };
    let entries =
        places().into_iter().filter_map(|place| fs::read_dir(place).ok()).flatten().flatten();
    for entry in entries {
        let path = entry.path();
        let named = entry.file_name().to_string_lossy().starts_with(PREFIX);
        if named && path != ours && is_stale(&path, our_id) {
            end_guarded(&path);
            fs::remove_dir_all(&path).ok();
        }
    }
}

/// A true folder of our own user whose owner is dead.
fn is_stale(path: &Path, our_id: u32) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return false;
    };
    if !metadata.is_dir() || metadata.uid() != our_id {
        return false;
    }
    match File::open(path.join(OWNER)) {
        Ok(owner) => owner.try_lock().is_ok(),
        Err(_) => metadata.modified().is_ok_and(|at| at.elapsed().is_ok_and(|age| age > YOUNG)),
    }
}

/// Ends the processes of a dead owner's folder: only those that name the folder, as an id may have
/// become another's.
fn end_guarded(path: &Path) {
    let lines = fs::read_to_string(path.join(GUARDED)).unwrap_or_default();
    for pid in lines.lines().filter_map(|line| line.split_once(' ')?.1.parse::<u32>().ok()) {
        let place = path.to_string_lossy();
        let names_it = ["cmdline", "environ"].into_iter().any(|file| {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(place.as_ref())
        });
        if names_it {
            Signal::Kill.send(i64::from(pid)).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_removed_when_dropped() {
        let folder = Folder::create().expect("a folder can be made");
        let path = folder.path().to_owned();
        fs::write(path.join("file"), "x").expect("it can be written");
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn a_living_owner_is_not_stale_and_a_dead_one_is() {
        let folder = Folder::create().expect("a folder can be made");
        let our_id = fs::metadata(folder.path()).expect("it is there").uid();
        assert!(!is_stale(folder.path(), our_id));
        let left = create_somewhere().expect("a folder can be made");
        fs::write(left.join(OWNER), "").expect("it can be written");
        assert!(is_stale(&left, our_id));
        remove_stale(folder.path());
        assert!(!left.exists());
    }
}
