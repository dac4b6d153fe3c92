//! The command `lab`: the two commands of the README, and one to run anything against private
//! servers.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
