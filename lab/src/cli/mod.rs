//! The command line: what it takes, and what ends it.

mod cargo;
mod child;
mod demo;
mod exec;
mod output;
mod test;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Starts private servers and the product on them, and leaves nothing behind.
///
/// `AMQP_URL` and `DATABASE_URL` name servers to use instead of private ones.
#[derive(Parser)]
#[command(name = "lab", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Brings everything up, places an order that completes and one that is undone, and goes on
    /// until Ctrl-C
    Demo(demo::Arguments),
    /// Checks the code and runs every test against private servers
    Test(test::Arguments),
    /// Runs a command against private servers; it finds them in `SAGA_LAB`, `AMQP_URL` and
    /// `DATABASE_URL`
    Exec(exec::Arguments),
}

/// What the command line was right, and cannot be done.
const CANNOT: u8 = 2;

/// Runs what the command line says.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = tokio::runtime::Runtime::new()
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(run(arguments.command)));
    outcome.unwrap_or_else(|error| {
        output::error(&error);
        ExitCode::from(CANNOT)
    })
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Demo(arguments) => demo::run(&arguments).await,
        Command::Test(arguments) => test::run(&arguments).await,
        Command::Exec(arguments) => exec::run(&arguments).await,
    }
}

/// Resolves once somebody wants us to end. From the first call on no such signal ends us by itself:
/// everything that was started is ended in order first, however often the signal comes.
async fn told_to_end() -> Result<()> {
    let cannot = "cannot listen for signals";
    let mut interrupt = signal(SignalKind::interrupt()).context(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).context(cannot)?;
    let mut hangup = signal(SignalKind::hangup()).context(cannot)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
    Ok(())
}

/// Does the work, unless a signal comes first; then the work is dropped and with it everything that
/// it started.
async fn unless_told_to_end<T>(work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    tokio::select! {
        biased;
        told = told_to_end() => told.map(|()| None),
        done = work => done.map(Some),
    }
}
