//! `lab test`: everything that must hold before a change is whole, in the order in which it fails
//! fastest.

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::Result;
use lab::{Given, Guarded, Servers, Signal};

use super::{
    cargo,
    child::{Reach, Running},
    output, unless_told_to_end,
};

/// What `lab test` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only tests whose name contains this; format, lints and documentation are then left out
    filter: Option<String>,
    /// Goes on after a failure, to find all of them
    #[arg(long)]
    no_fail_fast: bool,
}

/// The steps before the tests, each with what cargo is told.
const CHECKS: [(&str, &str); 3] = [
    ("format", "fmt --all --check"),
    ("lints", "clippy --workspace --all-targets --locked -- -D warnings"),
    ("docs", "doc --workspace --no-deps --locked"),
];

/// The exit status of a run that was interrupted.
const INTERRUPTED: u8 = 130;

/// Runs the steps and says what became of each.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut steps = Steps { done: Vec::new(), go_on: arguments.no_fail_fast };
    let finished = unless_told_to_end(all(arguments, &mut steps)).await?;
    output::summary(&steps.done);
    Ok(match finished {
        None => ExitCode::from(INTERRUPTED),
        Some(()) if steps.passed() => ExitCode::SUCCESS,
        Some(()) => ExitCode::FAILURE,
    })
}

/// What has been done, and whether a failure ends the run.
struct Steps {
    done: Vec<(String, bool, Duration)>,
    go_on: bool,
}

impl Steps {
    fn passed(&self) -> bool {
        self.done.iter().all(|(_, passed, _)| *passed)
    }

    /// Runs a step, unless an earlier failure ended the run.
    async fn step(&mut self, name: &str, work: impl Future<Output = Result<bool>>) -> Result<()> {
        if !self.go_on && !self.passed() {
            return Ok(());
        }
        output::progress(name);
        let began = Instant::now();
        let passed = work.await?;
        self.done.push((name.to_owned(), passed, began.elapsed()));
        Ok(())
    }
}

async fn all(arguments: &Arguments, steps: &mut Steps) -> Result<()> {
    if arguments.filter.is_none() {
        for (name, arguments) in CHECKS {
            let arguments: Vec<&str> = arguments.split(' ').collect();
            let mut command = cargo::command(&arguments);
            command.env("RUSTDOCFLAGS", "-D warnings");
            let check = async { Ok(cargo::run(command, name).await?.success()) };
            steps.step(name, check).await?;
        }
    }
    // The tests start the product's binaries, which `cargo test` alone does not build.
    let build = cargo::command(&["build", "--workspace", "--all-targets", "--locked"]);
    steps.step("build", async { Ok(cargo::run(build, "cargo build").await?.success()) }).await?;
    steps.step("tests", tests(arguments)).await
}

/// The tests, on servers of their own.
async fn tests(arguments: &Arguments) -> Result<bool> {
    let servers = Servers::start(&Given::from_env(), &output::progress).await?;
    let mut command = cargo::command(&["test", "--workspace", "--locked"]);
    if arguments.no_fail_fast {
        command.arg("--no-fail-fast");
    }
    command.args(&arguments.filter);
    let (name, value) = servers.lab().variable()?;
    // The tests get their servers from the lab alone: a given server is for fresh virtual hosts and
    // databases only.
    command.env(name, value).env_remove("AMQP_URL").env_remove("DATABASE_URL");
    let mut running = Running::start(command, "cargo test", Reach::Group)?;
    // Test processes are no children of ours: only by their group can they be ended with us.
    servers.guard(Guarded { pid: running.target(), signal: Signal::Kill })?;
    let passed = running.ended().await?.success();
    servers.finish().await?;
    Ok(passed)
}
