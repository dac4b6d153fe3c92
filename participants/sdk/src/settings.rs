//! What a participant is told from outside.

use clap::{Parser, ValueEnum};
use tracing_subscriber::EnvFilter;

/// Commands served at once. Each holds a connection of the database; more of them wait for the same
/// disk.
pub(crate) const CONCURRENCY: u32 = 16;
/// What is logged where nobody says. The AMQP client calls answers errors that the bus expects and
/// deals with; what becomes of a connection the bus tells itself.
const FILTER: &str = "info,lapin=off";
/// As many connections as one participant may take of a Postgres that serves others too.
const CONCURRENCY_MAX: i64 = 256;

/// A participant of a saga
// Without `Debug`: the URLs may hold passwords.
#[derive(Clone, Parser)]
#[command(version)]
pub struct Settings {
    /// The broker: `amqp://user:password@host:port/vhost`
    #[arg(long, env, hide_env_values = true)]
    pub amqp_url: String,
    /// The participant's own database: `postgres://user:password@host:port/database`, or, for
    /// development, `sqlite:path` of a file that no other participant has
    #[arg(long, env, hide_env_values = true)]
    pub database_url: String,
    /// Commands served at once; each takes a connection of the database, of which a file has one
    #[arg(long, env, default_value_t = CONCURRENCY,
        value_parser = clap::value_parser!(u32).range(1..=CONCURRENCY_MAX))]
    pub concurrency: u32,
    /// Accepts a Postgres that may lose what it has confirmed, such as one with `fsync = off`
    #[arg(long)]
    pub allow_unsafe_db: bool,
    /// How to log, to the standard error
    #[arg(long, env, value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
    /// What to log, such as `info` or `info,saga_participant=debug`
    #[arg(long, env = "RUST_LOG", default_value = FILTER, value_name = "FILTER",
        value_parser = filter)]
    pub log: String,
    /// Where to fail: `point:action:nth`
    #[cfg(debug_assertions)]
    #[arg(long, env = "SAGA_FAIL", hide = true)]
    pub fail: Option<saga_runtime::failpoint::Plan>,
}

fn filter(text: &str) -> Result<String, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().parse(text).map(|_| text.to_owned())
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, else JSON
    Auto,
    /// For people
    Text,
    /// For machines, one object a line
    Json,
}

impl Settings {
    /// From the command line and the environment. Wrong usage ends the process with a message.
    #[must_use]
    pub fn from_arguments() -> Self {
        let settings = Self::parse();
        #[cfg(debug_assertions)]
        settings.fail.clone().into_iter().for_each(saga_runtime::failpoint::arm);
        settings
    }
}
