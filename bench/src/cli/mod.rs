//! The command line: what it takes, and what ends it.

pub(crate) mod output;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::{
    dev,
    run::{self, Plan},
};

/// Measures the product on private servers. Build it with `--release`: figures of another build say
/// nothing.
///
/// `AMQP_URL` and `DATABASE_URL` name servers to measure instead of private ones.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Places orders, so many in flight, and finds what the broker could carry at most
    Run(Run),
    /// Measures `saga dev` alone: how soon it is ready, its memory, the orders that it carries
    Dev(Dev),
}

#[derive(clap::Args)]
struct Run {
    /// Orders placed at each level
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    sagas: u32,
    /// The levels: orders in flight, such as `1,16,256`
    #[arg(long, default_value = "1,16,256", value_delimiter = ',', value_name = "N,…",
        value_parser = clap::value_parser!(u32).range(1..=4096))]
    in_flight: Vec<u32>,
    /// Prints one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Dev {
    /// Orders placed at each level
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    sagas: u32,
    /// The levels: orders in flight, such as `1,16,256`
    #[arg(long, default_value = "1,16,256", value_delimiter = ',', value_name = "N,…",
        value_parser = clap::value_parser!(u32).range(1..=4096))]
    in_flight: Vec<u32>,
    /// Prints one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

/// It cannot be measured.
const CANNOT: u8 = 2;

/// Runs what the command line says.
pub(crate) fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let outcome =
        tokio::runtime::Runtime::new().context("cannot start the runtime").and_then(|runtime| {
            match command {
                Command::Run(arguments) => runtime.block_on(measure(&arguments)),
                Command::Dev(arguments) => runtime.block_on(measure_dev(&arguments)),
            }
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(CANNOT)
        }
    }
}

async fn measure(arguments: &Run) -> Result<()> {
    let plan = Plan { sagas: arguments.sagas, in_flight: arguments.in_flight.clone() };
    let report = run::run(&plan).await?;
    if arguments.json {
        output::json(&report)
    } else {
        output::table(&report);
        Ok(())
    }
}

async fn measure_dev(arguments: &Dev) -> Result<()> {
    let report = dev::measure(arguments.sagas, &arguments.in_flight).await?;
    if arguments.json {
        output::json(&report)
    } else {
        output::dev(&report);
        Ok(())
    }
}
