//! The product that is measured: its binaries, built as we are.

use std::{env, ffi::OsStr, process::Stdio};

use anyhow::{Context, Result, ensure};
use lab::Signal;

use crate::cli::output;

/// Builds the product as we are built; whether that is with optimization.
///
/// # Errors
/// When it does not build.
pub(crate) fn build(packages: &[&str]) -> Result<bool> {
    let program = env::current_exe().context("cannot tell where the running program is")?;
    let profile = program.parent().and_then(|folder| folder.file_name()).and_then(OsStr::to_str);
    let release = profile == Some("release");
    if !release {
        output::progress("not built with `--release`: these figures say little");
    }
    let mut command = lab::bound_to_us(lab::cargo().as_ref(), Signal::Kill, None);
    command.args(["build", "--bins", "--locked"]).current_dir(lab::workspace());
    command.args(packages.iter().flat_map(|package| ["-p", package]));
    command.args(release.then_some("--release"));
    // What it prints is talk beside what we print.
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = lab::spawn(command).context("cannot run cargo")?.wait()?;
    ensure!(status.success(), "the product does not build; see above");
    Ok(release)
}
