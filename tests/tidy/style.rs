//! How long things may be, and what no line may say.

use crate::{
    files::{self, File},
    none,
};

/// Longer files have more than one subject.
const FILE_LINES_MAX: usize = 500;
/// Longer functions do not fit on a screen.
const FUNCTION_LINES_MAX: usize = 70;
/// Longer lines do not fit twice beside each other.
const LINE_CHARS_MAX: usize = 100;

#[test]
fn files_are_short_and_say_what_they_hold() {
    let mut found = Vec::new();
    for file in files::rust() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            let path = &file.path;
            found.push(format!("{path}: {lines} lines; split it by subject, into a folder"));
        }
        if !file.text.starts_with("//! ") {
            found.push(format!("{}: begin with `//!` and what it holds", file.at(0)));
        }
    }
    none(&found);
}

#[test]
fn lines_are_short() {
    let mut found = Vec::new();
    for file in files::rust() {
        for (index, line) in file.text.lines().enumerate() {
            let is_link = line.trim_start().starts_with("//") && line.contains("://");
            if line.chars().count() > LINE_CHARS_MAX && !is_link {
                found.push(format!("{}: break it at {LINE_CHARS_MAX}", file.at(index)));
            }
        }
    }
    none(&found);
}

#[test]
fn functions_are_short() {
    let mut found = Vec::new();
    let mut count = 0;
    for file in files::rust() {
        for (index, lines) in functions(&file) {
            count += 1;
            if lines > FUNCTION_LINES_MAX {
                let at = file.at(index);
                found.push(format!("{at}: {lines} lines; move straight-line work to helpers"));
            }
        }
    }
    assert!(count > 1_000, "only {count} functions were seen");
    none(&found);
}

/// Where each function begins, and how many lines it has, those of raw texts not counted. Relies on
/// rustfmt: a body ends with a brace as far to the left as the function begins.
fn functions(file: &File) -> Vec<(usize, usize)> {
    const BEFORE: [&str; 6] = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe"];
    let lines: Vec<Option<&str>> = without_raw_texts(&file.text);
    let begins = |line: &str| {
        line.split(' ').find(|word| !word.is_empty() && !BEFORE.contains(word)) == Some("fn")
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let ends = |line: &str| {
        line.ends_with(';') || line.ends_with('}') || line.trim_start().starts_with('}')
    };
    let mut functions = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(first) = line.filter(|line| begins(line)) else { continue };
        let is_last = |line: &str| indent(line) == indent(first) && ends(line);
        let rest = lines[index..].iter();
        let end = rest.clone().position(|line| line.is_some_and(is_last)).map_or(0, |end| end + 1);
        functions.push((index, rest.take(end).flatten().count()));
    }
    functions
}

/// The lines, without those inside a raw text of many lines: a snapshot is data.
fn without_raw_texts(text: &str) -> Vec<Option<&str>> {
    let mut inside = false;
    let keep = |line| {
        let was_inside = inside;
        match inside {
            true => inside = !str::contains(line, "\"#"),
            false => {
                inside = line.rsplit_once("r#\"").is_some_and(|(_, rest)| !rest.contains("\"#"))
            }
        }
        (!was_inside).then_some(line)
    };
    text.lines().map(keep).collect()
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not name what it forbids.
    let words = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
    let mut found = Vec::new();
    for file in files::all().iter().filter(|file| file.path != "Cargo.lock") {
        for (index, line) in file.text.lines().enumerate() {
            for word in words.into_iter().filter(|word| line.contains(word)) {
                found.push(format!("{}: do it, or file an issue: `{word}`", file.at(index)));
            }
        }
    }
    none(&found);
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let mut found = Vec::new();
    for file in files::all() {
        for (index, line) in file.text.lines().enumerate() {
            if places.into_iter().any(|place| line.contains(place)) {
                found.push(format!("{}: name no folder of one machine", file.at(index)));
            }
            let source = line.trim().strip_prefix("source = ");
            let registry = "\"registry+https://github.com/rust-lang/crates.io-index\"";
            if file.path == "Cargo.lock" && source.is_some_and(|source| source != registry) {
                found.push(format!("{}: take crates from crates.io", file.at(index)));
            }
        }
        if file.path.starts_with(".cargo/") {
            found.push(format!("{}: the user's cargo is the user's", file.path));
        }
    }
    none(&found);
}
