//! Runs one seed with its trace, or many; or looks whether the simulation finds broken variants.

mod copy;
mod output;
mod patches;

use std::process::ExitCode;

use clap::Parser;
use saga_simulation::{Campaign, Options, Tally};

/// Runs the simulation: the real engine among simulated failures, one run per seed.
#[derive(Debug, Parser)]
#[command(name = "simulation", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many seeds to run
    #[arg(long, default_value_t = 20_000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Every message arrives twice
    #[arg(long)]
    twice: bool,
    /// Run this seed alone
    #[arg(long)]
    seed: Option<u64>,
    /// Print who did what when
    #[arg(long, requires = "seed")]
    trace: bool,
    /// End with the first seed that breaks a promise
    #[arg(long)]
    first: bool,
}

/// What is done in place of a run.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Breaks the core with each patch in turn, in a copy of the workspace, and prints which seed
    /// finds it
    Patches {
        /// Patches by name; all where none is named
        names: Vec<String>,
    },
}

/// Runs what the arguments say; fails where a promise was broken, or a broken variant not found.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let is_well = match &arguments.command {
        Some(Command::Patches { names }) => patches::run(names).unwrap_or_else(|error| {
            output::talk(&error.to_string());
            false
        }),
        None => simulate(&arguments),
    };
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn simulate(arguments: &Arguments) -> bool {
    let Arguments { seeds, from, twice, seed, trace, first, .. } = *arguments;
    let options = Options { twice, trace, ..Options::default() };
    let tally = match seed {
        Some(seed) => {
            let mut outcome = saga_simulation::run(seed, &options);
            std::mem::take(&mut outcome.trace).iter().for_each(|line| output::data(line));
            Tally::of(outcome)
        }
        None => {
            let seeds = from..from.saturating_add(seeds);
            Campaign { seeds, options, stops_at_first: first }.run(|tally, took| {
                let (seconds, failures) = (took.as_secs_f64(), tally.failures);
                #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
                let rate = tally.seeds as f64 / seconds;
                output::talk(&format!(
                    "{} seeds, {rate:.0} a second, {} sagas, {failures} with violations",
                    tally.seeds,
                    tally.sagas()
                ));
            })
        }
    };
    output::data(&tally.to_string());
    tally.failures == 0
}
