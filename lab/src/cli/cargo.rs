//! Running cargo as the tests and the demonstration need it.

use std::{
    path::Path,
    process::{Command, ExitStatus},
};

use anyhow::{Result, ensure};
use lab::Signal;

use super::child::{Reach, Running};

/// A cargo command in our workspace, ended with everything it started when we end.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = lab::bound_to_us(Path::new(&lab::cargo()), Signal::Kill, None);
    command.args(arguments).current_dir(lab::workspace());
    // What it prints is talk beside what we print.
    command.stdin(std::process::Stdio::null()).stdout(std::io::stderr());
    command
}

/// Runs it to its end.
pub(crate) async fn run(command: Command, name: &str) -> Result<ExitStatus> {
    Running::start(command, name, Reach::Group)?.ended().await
}

/// Builds every binary, and no test.
pub(crate) async fn build_binaries() -> Result<()> {
    let command = command(&["build", "--workspace", "--bins", "--locked"]);
    let status = run(command, "cargo build").await?;
    ensure!(status.success(), "the product does not build; see above");
    Ok(())
}
