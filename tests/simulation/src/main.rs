//! The simulation's command: `cargo run --release -p saga-simulation -- --seeds 1000000`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
