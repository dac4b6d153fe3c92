//! The command line: what it takes, and what ends it. Each command is a file with its `Arguments`
//! and `run`.

mod check;
mod client;
mod contract;
mod dead;
mod definitions;
mod failure;
mod graph;
mod journal;
mod list;
pub(crate) mod output;
mod paths;
mod schema;
mod selection;
mod show;
mod simulate;
mod start;
mod table;
mod timers;
mod verbs;
mod view;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use self::failure::{Failure, Status};
use crate::{dev, serve, settings};

/// Runs sagas over RabbitMQ and Postgres, and operates them.
///
/// Exit status: 0 done, 1 the answer is no, 2 wrong usage or unreachable.
#[derive(Parser)]
#[command(name = "saga", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs everything in one process, with nothing to install: API, orchestrator, participants
    Dev(settings::Dev),
    /// Runs the orchestrator: its API and all that drives sagas
    Serve(settings::Serve),
    /// Brings the database's schema up to date
    Migrate(settings::Migrate),
    /// Validates definitions
    Check(check::Arguments),
    /// Plays definitions through everything that can go wrong, and shows how each ends
    Simulate(simulate::Arguments),
    /// Draws a definition, forward and backward
    Graph(graph::Arguments),
    /// Writes what participants must speak: commands, replies and their schemas
    Contract(contract::Arguments),
    /// Prints the JSON Schema of definitions, for editors
    Schema,
    /// Starts a saga
    Start(start::Arguments),
    /// Lists sagas, active ones first
    List(list::Arguments),
    /// Shows a saga and its steps, forward and backward
    Show(show::Arguments),
    /// Shows every record of a saga's journal
    Journal(journal::Arguments),
    /// Shows what happens as it happens: a view on a terminal, else one line a change
    Watch(watch::Arguments),
    /// Tries steps that wait at once, and stuck ones anew
    Retry(verbs::Retry),
    /// Lets a stuck retriable step go, or the effect of a stuck compensation stand
    Skip(verbs::Skip),
    /// Says what became of a stuck step
    Resolve(verbs::Resolve),
    /// Stops sagas and undoes what they did
    Cancel(verbs::Plain),
    /// Ends sagas and undoes nothing
    Abandon(verbs::Plain),
    /// Sends nothing and decides nothing due, until they are resumed
    Pause(verbs::Plain),
    /// Goes on with paused sagas; everything due is later by the length of the pause
    Resume(verbs::Plain),
    /// Lists what will happen when, unless an answer comes first
    Timers(timers::Arguments),
    /// Lists messages that cannot be processed, shows, requeues and drops them
    Dead(dead::Arguments),
    /// Lists definitions, their versions, and how many sagas in flight follow each
    Definitions(definitions::Arguments),
}

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let outcome = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::cannot(format!("cannot start the runtime: {error}")))
        .and_then(|runtime| {
            let outcome = runtime.block_on(run(command));
            // What still blocks, such as the look-up of a name, is not waited for.
            runtime.shutdown_background();
            outcome
        });
    let status = outcome.unwrap_or_else(|failure| {
        output::failure(&failure);
        failure.status
    });
    ExitCode::from(status.code())
}

async fn run(command: Command) -> Result<Status, Failure> {
    match command {
        Command::Dev(settings) => dev::run(settings).await,
        Command::Serve(settings) => serve::run(settings).await,
        Command::Migrate(settings) => serve::migrate(&settings).await,
        Command::Check(arguments) => check::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Contract(arguments) => contract::run(&arguments),
        Command::Schema => schema::run(),
        Command::Start(arguments) => start::run(&arguments).await,
        Command::List(arguments) => list::run(&arguments).await,
        Command::Show(arguments) => show::run(&arguments).await,
        Command::Journal(arguments) => journal::run(&arguments).await,
        Command::Watch(arguments) => watch::run(&arguments).await,
        Command::Retry(arguments) => arguments.run().await,
        Command::Skip(arguments) => arguments.run().await,
        Command::Resolve(arguments) => arguments.run().await,
        Command::Cancel(arguments) => arguments.run("cancel").await,
        Command::Abandon(arguments) => arguments.run("abandon").await,
        Command::Pause(arguments) => arguments.run("pause").await,
        Command::Resume(arguments) => arguments.run("resume").await,
        Command::Timers(arguments) => timers::run(&arguments).await,
        Command::Dead(arguments) => dead::run(&arguments).await,
        Command::Definitions(arguments) => definitions::run(&arguments).await,
    }
}
