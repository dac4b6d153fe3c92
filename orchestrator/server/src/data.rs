//! The folder where `saga dev` keeps everything: files of SQLite, for one process at a time.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use crate::cli::Failure;

/// Held for as long as the process lives; the kernel lets go of it however that ends. It says whose
/// it is, and that the folder is one of ours.
const LOCK: &str = "saga-dev.lock";
/// Nobody wants it in a repository.
const IGNORE: &str = ".gitignore";
/// What SQLite writes beside a database.
const BESIDE: [&str; 3] = ["", "-wal", "-shm"];

/// A folder that is ours until this is dropped.
pub(crate) struct Data {
    folder: PathBuf,
    _lock: File,
}

impl Data {
    /// Takes the folder, which is made where it is missing. One with other files in it is left
    /// alone.
    ///
    /// # Errors
    /// Another process has it, it is somebody else's, or it cannot be written to.
    pub(crate) fn take(folder: &Path) -> Result<Self, Failure> {
        let cannot = |error: io::Error| {
            let message = format!("cannot keep anything in `{}`: {error}", folder.display());
            Failure::cannot(message).hint("name a folder that can be written to with `--data`")
        };
        // SQLite's URLs cannot say it, nor what is no text.
        if folder.to_str().is_none_or(|path| path.contains('?')) {
            let message = format!("`{}` has a character that is not for files", folder.display());
            return Err(Failure::cannot(message).hint("name another folder with `--data`"));
        }
        fs::create_dir_all(folder).map_err(cannot)?;
        let path = folder.join(LOCK);
        let is_empty = fs::read_dir(folder).map_err(cannot)?.next().is_none();
        if !is_empty && !path.exists() {
            let message = format!("`{}` has other files in it", folder.display());
            return Err(Failure::no(message).hint("name a new or empty folder with `--data`"));
        }
        let opened = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let mut lock = opened.map_err(cannot)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(folder, &mut lock)),
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
        }
        if is_empty {
            fs::write(folder.join(IGNORE), "*\n").map_err(cannot)?;
        }
        lock.set_len(0).map_err(cannot)?;
        write!(lock, "{}", std::process::id()).map_err(cannot)?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// The database of this name.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.db"))
    }

    /// Forgets the database of this name.
    ///
    /// # Errors
    /// When a file cannot be removed.
    pub(crate) fn forget(&self, name: &str) -> Result<(), Failure> {
        for beside in BESIDE {
            let file = format!("{}{beside}", self.file(name).display());
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Failure::cannot(format!("cannot remove `{file}`: {error}")));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }
}

fn taken(folder: &Path, lock: &mut File) -> Failure {
    let mut owner = String::new();
    // Who cannot be named is there all the same.
    let _ = lock.read_to_string(&mut owner);
    let process = if owner.is_empty() { String::new() } else { format!(", process {owner}") };
    Failure::no(format!("`{}` is in use by another `saga dev`{process}", folder.display()))
        .hint("end that one, or name another folder with `--data` and another port with `--listen`")
}
