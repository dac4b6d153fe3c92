//! `lab exec`: any command against private servers.

use std::{
    io::{self, IsTerminal},
    path::Path,
    process::ExitCode,
};

use anyhow::Result;
use lab::{Given, Guarded, Servers, Signal};

use super::{
    child::{Reach, Running},
    output, unless_told_to_end,
};

/// What `lab exec` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// The exit status of a command that was ended by a signal, as shells say it.
const SIGNALLED: u8 = 128;

/// Runs the command and answers with its exit status.
pub(crate) async fn run(arguments: &Arguments) -> Result<ExitCode> {
    let started = unless_told_to_end(Servers::start(&Given::from_env(), &output::progress)).await?;
    let Some(servers) = started else {
        return Ok(ExitCode::from(SIGNALLED));
    };
    let outcome = unless_told_to_end(command(arguments, &servers)).await;
    servers.finish().await?;
    Ok(outcome?.unwrap_or(ExitCode::from(SIGNALLED)))
}

async fn command(arguments: &Arguments, servers: &Servers) -> Result<ExitCode> {
    let lab = servers.lab();
    let (name, value) = lab.variable()?;
    let (program, rest) = arguments.command.split_first().expect("clap requires a command");
    let mut command = lab::bound_to_us(Path::new(program), Signal::Kill, None);
    command.args(rest).env(name, value);
    command.env("AMQP_URL", lab.amqp_url()).env("DATABASE_URL", lab.database_url());
    // Whoever sits at a terminal may want to talk with the command, so it stays in the foreground
    // there.
    let reach = if io::stdin().is_terminal() { Reach::Process } else { Reach::Group };
    let mut running = Running::start(command, program, reach)?;
    servers.guard(Guarded { pid: running.target(), signal: Signal::Kill })?;
    let status = running.ended().await?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(SIGNALLED)))
}
