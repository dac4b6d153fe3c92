//! The files of the repository, and what a line of Rust says once comments and texts are taken out.

use std::{fs, path::Path};

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 3] = [".git", ".saga", "target"];
/// What a test module inside a source file begins with.
const TESTS: &str = "#[cfg(test)]";

/// One file of the repository.
pub(crate) struct File {
    /// Its path below the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is part of what we ship, as opposed to its tests.
    pub(crate) fn is_product(&self) -> bool {
        let is_test = |part: &str| part == "tests" || part == "tests.rs";
        self.is_rust() && self.path.contains("/src/") && !self.path.split('/').any(is_test)
    }

    /// A place in it, for messages.
    pub(crate) fn at(&self, index: usize) -> String {
        format!("{}:{}", self.path, index + 1)
    }

    /// The lines that are part of the product, with their index: those before the test module.
    pub(crate) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().take_while(|(_, line)| line.trim() != TESTS)
    }

    /// The same without comments, and with empty texts.
    pub(crate) fn product_code(&self) -> impl Iterator<Item = (usize, String)> {
        self.product_lines().map(|(index, line)| (index, code(line)))
    }
}

/// Every file that is text, in order.
pub(crate) fn all() -> Vec<File> {
    let root = lab::workspace();
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(files.len() > 100, "only {} files under `{}`", files.len(), root.display());
    files
}

/// The files that are Rust.
pub(crate) fn rust() -> impl Iterator<Item = File> {
    all().into_iter().filter(File::is_rust)
}

/// The files that are shipped.
pub(crate) fn product() -> impl Iterator<Item = File> {
    all().into_iter().filter(File::is_product)
}

/// One file.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(lab::workspace().join(path)).unwrap_or_else(|e| panic!("`{path}`: {e}"))
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !path.is_symlink() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(root, &path, files);
            }
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            files.push(File { path, text });
        }
    }
}

/// The line without a comment, and with what stands between quotes taken out. Line by line, so that
/// a text of many lines counts as code from its second line on.
fn code(line: &str) -> String {
    let line = line.replace("'\"'", "' '");
    let (mut rest, mut code) = (line.as_str(), String::new());
    loop {
        let comment = rest.find("//").unwrap_or(rest.len());
        let Some(quote) = rest[..comment].find('"') else {
            return code + &rest[..comment];
        };
        code.push_str(&rest[..=quote]);
        rest = &rest[quote + 1..];
        let end = end_of_text(rest);
        code.push('"');
        rest = rest.get(end + 1..).unwrap_or_default();
    }
}

/// How many bytes there are up to the closing quote.
fn end_of_text(rest: &str) -> usize {
    let mut escaped = false;
    for (index, character) in rest.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return index,
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn code_is_what_is_left_of_a_line() {
    for (line, expected) in [
        ("let x = 1; // one", "let x = 1; "),
        ("/// `Amqp`", ""),
        (r#"f("a // b", c)"#, r#"f("", c)"#),
        (r#"f("a \" b", "c");"#, r#"f("", "");"#),
        ("a / b", "a / b"),
        ("split('/')", "split('/')"),
    ] {
        assert_eq!(code(line), expected, "{line}");
    }
}
