//! A copy of the workspace, to break. It is kept among the temporary files with what was built in
//! it, so that the next run builds little.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where the workspace is.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// Where the copy is, among the temporary files.
const FOLDER: &str = "saga-simulation-patches";
/// What is built in the copy.
const TARGET: &str = "target";

/// A copy that nobody else breaks meanwhile.
pub(super) struct Copy {
    root: PathBuf,
    /// Held as long as the copy is in use; the system lets go of it whatever becomes of us.
    _lock: File,
}

impl Copy {
    /// Makes the copy as the workspace is now, whatever an earlier run left there.
    pub(super) fn make() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(FOLDER);
        let root = folder.join("workspace");
        fs::create_dir_all(&root)?;
        let lock = File::create(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                let folder = folder.display();
                io::Error::other(format!("another run uses `{folder}`; wait for its end"))
            }
            TryLockError::Error(error) => error,
        })?;
        let files = sources()?;
        clear(&root, Path::new(""), &files)?;
        for file in &files {
            copy(&Path::new(WORKSPACE).join(file), &root.join(file))?;
        }
        Ok(Self { root, _lock: lock })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Applies a patch, or undoes it.
    pub(super) fn apply(&self, patch: &Path, how: &[&str]) -> io::Result<()> {
        let mut git = git(&self.root);
        succeed(git.arg("apply").args(how).arg(patch)).map(drop)
    }

    /// Builds a program of the copy in a target folder of its own; where it is.
    pub(super) fn build(&self, package: &str, program: &str) -> io::Result<PathBuf> {
        let target = self.root.join(TARGET);
        let mut cargo = Command::new("cargo");
        cargo.current_dir(&self.root).args(["build", "--locked", "--package", package]);
        succeed(cargo.arg("--target-dir").arg(&target))?;
        Ok(target.join("debug").join(program))
    }
}

/// The files that make up the workspace, below it: none that git ignores.
fn sources() -> io::Result<BTreeSet<PathBuf>> {
    let mut git = git(Path::new(WORKSPACE));
    let listed =
        succeed(git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]))?;
    let listed = String::from_utf8(listed).map_err(io::Error::other)?;
    let files = listed.split_terminator('\0').map(PathBuf::from);
    // What is deleted and not yet committed is listed, too.
    Ok(files.filter(|file| Path::new(WORKSPACE).join(file).is_file()).collect())
}

/// Git in a folder that need not be a repository, even where one lies around it: there it would
/// take the paths in a patch for others.
fn git(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder).env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
    if let Some(around) = folder.canonicalize().ok().as_deref().and_then(Path::parent) {
        git.env("GIT_CEILING_DIRECTORIES", around);
    }
    git
}

/// Removes what is not in the workspace any more.
fn clear(root: &Path, folder: &Path, files: &BTreeSet<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if path == Path::new(TARGET) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            clear(root, &path, files)?;
        } else if !files.contains(&path) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Copies what has changed: a file that is the same keeps its time, and is not built again.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let content = fs::read(from)?;
    if fs::read(to).is_ok_and(|there| there == content) {
        return Ok(());
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(to, content)
}

/// What a command that must succeed has said; its complaints are for whoever waits.
fn succeed(command: &mut Command) -> io::Result<Vec<u8>> {
    let done = command.stderr(Stdio::inherit()).output()?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    Err(io::Error::other(format!("`{command:?}` failed; see above")))
}
