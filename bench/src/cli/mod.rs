//! The command line: what it takes, and what ends it.

pub(crate) mod output;
mod tables;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use saga_protocol::ParticipantName;
use serde::Serialize;

use crate::{dev, growth, level::Plan, run, stand_in};

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
    /// Places orders beside few and beside many stored sagas, and reads lists of them
    Growth(Growth),
    /// Places orders at one orchestrator, at two and at three
    Scale(Scale),
    /// Measures `saga dev` alone: how soon it is ready, its memory, the orders that it carries
    Dev(Dev),
    /// Plays a participant that answers at once: what `--engine-only` starts
    #[command(hide = true)]
    StandIn(StandIn),
}

#[derive(clap::Args)]
struct Run {
    #[command(flatten)]
    levels: Levels,
    #[command(flatten)]
    kind: Kind,
    /// Prints one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Growth {
    /// Orders placed beside the stored ones
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    sagas: u32,
    /// Orders in flight
    #[arg(long, default_value_t = 64, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=4096))]
    in_flight: u32,
    /// How many sagas are stored, such as `10000,2000000`: two million take more than 10 GB
    #[arg(long, default_value = "10000,2000000", value_delimiter = ',', value_name = "N,…",
        value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    stored: Vec<u32>,
    /// Prints one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Scale {
    /// Orders placed each time
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    sagas: u32,
    /// Orders in flight
    #[arg(long, default_value_t = 256, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=4096))]
    in_flight: u32,
    #[command(flatten)]
    kind: Kind,
    /// Prints one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Dev {
    #[command(flatten)]
    levels: Levels,
    /// Prints one JSON document instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
struct Levels {
    /// Orders placed at each level
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    sagas: u32,
    /// The levels: orders in flight, such as `1,16,256`
    #[arg(long, default_value = "1,16,256", value_delimiter = ',', value_name = "N,…",
        value_parser = clap::value_parser!(u32).range(1..=4096))]
    in_flight: Vec<u32>,
}

/// What kind of orders, and in which weather.
#[derive(clap::Args)]
struct Kind {
    /// How many orders of a hundred the last step refuses, so that they are compensated
    #[arg(long, default_value_t = 0, value_name = "P",
        value_parser = clap::value_parser!(u32).range(..=100))]
    fail_percent: u32,
    /// Kills a random process of the product, and starts it again, every so many seconds
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=3600))]
    kill_every: Option<u64>,
    /// Has stand-ins without a database play the participants, so that the orchestrator is all that
    /// there is
    #[arg(long)]
    engine_only: bool,
}

#[derive(clap::Args)]
struct StandIn {
    #[arg(long)]
    amqp_url: String,
    participant: ParticipantName,
}

/// It cannot be measured.
const CANNOT: u8 = 2;

/// Runs what the command line says.
pub(crate) fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let outcome = tokio::runtime::Runtime::new()
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(measure(command)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(&error);
            ExitCode::from(CANNOT)
        }
    }
}

async fn measure(command: Command) -> Result<()> {
    match command {
        Command::Run(Run { levels, kind, json }) => {
            // Each level sets its own.
            let plan = kind.plan(levels.sagas, 0);
            show(&run::run(plan, &levels.in_flight).await?, json, tables::run)
        }
        Command::Growth(Growth { sagas, in_flight, stored, json }) => {
            let kind = Kind { fail_percent: 0, kill_every: None, engine_only: false };
            let growth = growth::measure(kind.plan(sagas, in_flight), &stored).await?;
            show(&growth, json, tables::growth)
        }
        Command::Scale(Scale { sagas, in_flight, kind, json }) => {
            show(&run::scale(kind.plan(sagas, in_flight)).await?, json, tables::scale)
        }
        Command::Dev(Dev { levels, json }) => {
            show(&dev::measure(levels.sagas, &levels.in_flight).await?, json, tables::dev)
        }
        Command::StandIn(StandIn { amqp_url, participant }) => {
            stand_in::serve(&amqp_url, &participant).await
        }
    }
}

/// Prints a report, for people or as one document.
fn show<T: Serialize>(report: &T, json: bool, table: impl Fn(&T) -> String) -> Result<()> {
    let text = if json { serde_json::to_string_pretty(report)? } else { table(report) };
    output::report(&text);
    Ok(())
}

impl Kind {
    fn plan(&self, sagas: u32, in_flight: u32) -> Plan {
        Plan {
            sagas,
            in_flight,
            fail_percent: self.fail_percent,
            kill_every: self.kill_every.map(Duration::from_secs),
            engine_only: self.engine_only,
            orchestrators: 1,
        }
    }
}
