//! The files.

use std::{fs, path::Path};

/// One file of a definition.
pub(crate) struct File {
    /// Its name without the ending.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Definitions that are sound, each showing a part of the language.
pub(crate) fn good() -> Vec<File> {
    files("tests/corpus/good")
}

/// Definitions that run, and of which their author is told something.
pub(crate) fn warned() -> Vec<File> {
    files("tests/corpus/warned")
}

/// Definitions that are refused, each named after the rule that it breaks.
pub(crate) fn bad() -> Vec<File> {
    files("tests/corpus/bad")
}

/// The definitions that the product comes with.
pub(crate) fn shipped() -> Vec<File> {
    files("../../saga-defs")
}

fn files(folder: &str) -> Vec<File> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    let mut files: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| {
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            File { name, text: fs::read_to_string(path).expect("it is text") }
        })
        .collect();
    files.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(!files.is_empty(), "nothing in `{}`", folder.display());
    files
}
