//! Broken variants inside the core, where no port can be decorated: patches, each applied to a copy
//! of the workspace, built there, and searched for a seed that finds it.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{copy::Copy, output};

/// Where the patches are.
const PATCHES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/patches");
/// Within so many seeds each is found.
const SEEDS: &str = "10000";

/// What found a patch.
struct Found {
    seed: String,
    promise: String,
}

/// Tries the patches and prints a row for each; whether all were found.
pub(super) fn run(names: &[String]) -> io::Result<bool> {
    let patches = chosen(names)?;
    let copy = Copy::make()?;
    output::talk(&format!("the copy is `{}`", copy.root().display()));
    output::data("| patch | seed | promise |\n| --- | --- | --- |");
    let mut all = true;
    for (number, (name, patch)) in patches.iter().enumerate() {
        output::talk(&format!("{name}, {} of {}", number + 1, patches.len()));
        match find(&copy, patch)? {
            Some(Found { seed, promise }) => {
                output::data(&format!("| {name} | {seed} | {promise} |"));
            }
            None => {
                all = false;
                output::data(&format!("| {name} | none | not found |"));
            }
        }
    }
    Ok(all)
}

/// The patches of these names, or all, each with its name.
fn chosen(names: &[String]) -> io::Result<Vec<(String, PathBuf)>> {
    let mut patches = Vec::new();
    for entry in fs::read_dir(PATCHES)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        patches.push((name, path));
    }
    patches.sort();
    let is_there = |name: &&String| patches.iter().any(|(there, _)| there == *name);
    if let Some(name) = names.iter().find(|name| !is_there(name)) {
        return Err(io::Error::other(format!("there is no `{name}.patch` in `{PATCHES}`")));
    }
    patches.retain(|(name, _)| names.is_empty() || names.contains(name));
    Ok(patches)
}

/// The first seed that finds a patch. The patch is undone whatever happens.
fn find(copy: &Copy, patch: &Path) -> io::Result<Option<Found>> {
    copy.apply(patch, &[])?;
    let found = copy.build("saga-simulation", "simulation").and_then(|program| search(&program));
    copy.apply(patch, &["--reverse"])?;
    found
}

/// Runs seeds until one finds a broken promise.
fn search(program: &Path) -> io::Result<Option<Found>> {
    let mut simulation = Command::new(program);
    simulation.args(["--seeds", SEEDS, "--first"]).stderr(Stdio::inherit());
    let done = simulation.output()?;
    if done.status.success() {
        return Ok(None);
    }
    read(&String::from_utf8_lossy(&done.stdout))
        .map(Some)
        .ok_or_else(|| io::Error::other(format!("`{simulation:?}` failed and names no seed")))
}

/// The first seed of a report, and the first promise it broke.
fn read(report: &str) -> Option<Found> {
    let mut lines = report.lines().skip_while(|line| !line.starts_with("SEED="));
    let seed = lines.next()?.strip_prefix("SEED=")?.to_owned();
    let (promise, _) = lines.next()?.trim().split_once(':')?;
    Some(Found { seed, promise: promise.to_owned() })
}
