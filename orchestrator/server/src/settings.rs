//! Everything that `saga` is told from outside: the only file that reads the environment. The docs
//! of the fields are the help of the flags.

use std::{
    convert::Infallible,
    fmt,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    str::FromStr,
};

use clap::{Args, ValueEnum};
use reqwest::Url;
use saga_protocol::{ParticipantName, limits};
use tracing_subscriber::EnvFilter;

/// What is logged where nobody says. The AMQP client calls answers errors that the bus expects and
/// deals with; what becomes of a connection the bus tells itself.
const FILTER: &str = "info,lapin=off";
/// What is logged in front of somebody who only wants it to run.
const QUIET_FILTER: &str = "warn,lapin=off";
/// Where the API listens where nobody says.
const LISTEN: &str = "127.0.0.1:8080";
/// Where definitions are where nobody says.
const DEFS: &str = "saga-defs";
/// What a password is shown as.
const HIDDEN: &str = "***";

/// What `saga serve` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct Serve {
    /// The broker: `amqp://user:password@host:port/vhost`
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub(crate) amqp_url: ServerUrl,
    #[command(flatten)]
    pub(crate) database: Database,
    /// Where the API listens
    #[arg(long, env = "SAGA_LISTEN", default_value = LISTEN, value_name = "HOST:PORT",
        value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// The folder of the definitions
    #[arg(long, env = "SAGA_DEFS", default_value = DEFS, value_name = "FOLDER")]
    pub(crate) defs: PathBuf,
    /// Brings the database's schema up to date first
    #[arg(long)]
    pub(crate) migrate: bool,
    /// Accepts a database that may lose what it has confirmed, such as one with `fsync = off`
    #[arg(long)]
    pub(crate) allow_unsafe_db: bool,
    /// Starts nothing while more commands than this wait for a participant that it needs
    #[arg(long, env = "SAGA_BACKLOG_MAX", default_value_t = saga_engine::BACKLOG_MAX,
        value_name = "COMMANDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) backlog_max: u64,
    /// Where a test makes it fail: `point:action:nth`
    #[cfg(debug_assertions)]
    #[arg(long, env = "SAGA_FAIL", hide = true)]
    fail: Option<saga_runtime::failpoint::Plan>,
    #[command(flatten)]
    pub(crate) logs: Logs,
}

/// What `saga dev` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct Dev {
    /// Where everything is kept, between runs too; one `saga dev` has it at a time
    #[arg(long, env = "SAGA_DATA", default_value = ".saga", value_name = "FOLDER")]
    pub(crate) data: PathBuf,
    /// Where the API listens
    #[arg(long, env = "SAGA_LISTEN", default_value = LISTEN, value_name = "HOST:PORT",
        value_parser = address)]
    pub(crate) listen: SocketAddr,
    /// The folder of the definitions
    #[arg(long, env = "SAGA_DEFS", default_value = DEFS, value_name = "FOLDER")]
    pub(crate) defs: PathBuf,
    /// Forgets everything that is kept, and begins anew
    #[arg(long)]
    pub(crate) reset: bool,
    /// Leaves a participant out: `payment`, `inventory` or `shipping`; may be repeated
    #[arg(long, value_name = "PARTICIPANT")]
    pub(crate) without: Vec<ParticipantName>,
    /// A RabbitMQ to carry the messages, so that participants of your own can join:
    /// `amqp://user:password@host:port/vhost`
    #[arg(long, value_name = "URL")]
    pub(crate) amqp: Option<ServerUrl>,
    #[command(flatten)]
    pub(crate) logs: Logs,
}

/// What `saga migrate` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) database: Database,
    #[command(flatten)]
    pub(crate) logs: Logs,
}

/// The orchestrator's database.
#[derive(Clone, Debug, Args)]
pub(crate) struct Database {
    /// The orchestrator's database: `postgres://user:password@host:port/database`
    #[arg(long, env, hide_env_values = true, value_name = "URL")]
    pub(crate) database_url: ServerUrl,
}

/// What commands that talk to a running orchestrator are told.
#[derive(Clone, Debug, Args)]
pub(crate) struct Client {
    /// Where the orchestrator's API is
    #[arg(long, env = "SAGA_URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) url: ServerUrl,
    /// Prints one JSON document instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Who gives an order, for the journal.
#[derive(Clone, Debug, Args)]
pub(crate) struct Actor {
    /// Who you are, for the journal: visible ASCII without spaces; the user of this machine where
    /// it is not given
    #[arg(long, env = "SAGA_ACTOR", value_name = "NAME", value_parser = actor)]
    actor: Option<String>,
    /// Who is at work on this machine
    #[arg(long, env, hide = true)]
    user: Option<String>,
}

/// What is logged and how, to the standard error.
#[derive(Clone, Debug, Args)]
pub(crate) struct Logs {
    /// How to log
    #[arg(long, env, value_enum, default_value_t = LogFormat::Auto)]
    pub(crate) log_format: LogFormat,
    /// What to log, such as `info` or `info,saga=debug`; `RUST_LOG` where it is not given
    #[arg(long, env = "SAGA_LOG", value_name = "FILTER", value_parser = filter)]
    log: Option<String>,
    /// What to log where `SAGA_LOG` does not say
    #[arg(long, env, hide = true, value_parser = filter)]
    rust_log: Option<String>,
}

/// How to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text on a terminal, else JSON
    Auto,
    /// For people
    Text,
    /// For machines, one object a line
    Json,
}

/// Settings that are each well-formed and do not fit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Misfit {
    message: String,
    /// The way out.
    pub(crate) hint: &'static str,
}

impl Serve {
    /// Checks what clap cannot: that each server is of the right kind.
    ///
    /// # Errors
    /// [`Misfit`], with the way out.
    pub(crate) fn check(&self) -> Result<(), Misfit> {
        self.amqp_url.check_broker("AMQP_URL")?;
        self.database.check()
    }

    /// Arms the failpoint that a test asks for; there is none in a release build.
    pub(crate) fn arm(&self) {
        #[cfg(debug_assertions)]
        if let Some(plan) = &self.fail {
            saga_runtime::failpoint::arm(plan.clone());
        }
    }
}

impl Dev {
    /// Checks what clap cannot: that the broker is one.
    ///
    /// # Errors
    /// [`Misfit`], with the way out.
    pub(crate) fn check(&self) -> Result<(), Misfit> {
        self.amqp.iter().try_for_each(|url| url.check_broker("--amqp"))
    }
}

impl Database {
    /// Checks that it is a Postgres.
    ///
    /// # Errors
    /// [`Misfit`], with the way out.
    pub(crate) fn check(&self) -> Result<(), Misfit> {
        let hint = "it takes `postgres://user:password@host:port/database`";
        self.database_url.check("DATABASE_URL", &["postgres", "postgresql"], hint).map(|_| ())
    }
}

impl Client {
    /// The API's URL.
    ///
    /// # Errors
    /// [`Misfit`] where it is none.
    pub(crate) fn base(&self) -> Result<Url, Misfit> {
        let hint = "it takes `http://host:port`";
        self.url.check("SAGA_URL", &["http", "https"], hint)
    }
}

impl Actor {
    /// Who gives the order; `None` where nobody says. A user whose name does not fit is nobody.
    pub(crate) fn name(&self) -> Option<String> {
        let user = self.user.as_deref().and_then(|user| actor(user).ok());
        self.actor.clone().or(user)
    }
}

impl Logs {
    /// What to log.
    pub(crate) fn filter(&self) -> EnvFilter {
        self.filter_or(FILTER)
    }

    /// What to log where only trouble is of interest.
    pub(crate) fn quiet_filter(&self) -> EnvFilter {
        self.filter_or(QUIET_FILTER)
    }

    fn filter_or(&self, default: &str) -> EnvFilter {
        let given = [&self.log, &self.rust_log].into_iter().flatten();
        EnvFilter::new(given.map(String::as_str).next().unwrap_or(default))
    }
}

/// A server's URL. It may hold a password, so it is never shown whole: not by clap, which takes any
/// text for one, and not by `Debug` or `Display`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ServerUrl(String);

impl ServerUrl {
    /// The whole of it, password included: for whoever connects.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    fn check_broker(&self, name: &str) -> Result<(), Misfit> {
        let hint = "it takes `amqp://user:password@host:port/vhost`";
        self.check(name, &["amqp", "amqps"], hint).map(drop)
    }

    fn check(&self, name: &str, schemes: &[&str], hint: &'static str) -> Result<Url, Misfit> {
        let misfit = |message| Misfit { message, hint };
        let url: Url = self.0.parse().map_err(|error| match self.0.is_empty() {
            true => misfit(format!("`{name}` is empty")),
            false => misfit(format!("`{name}` is not a URL: {error}")),
        })?;
        if !schemes.contains(&url.scheme()) {
            let (wanted, found) = (schemes[0], url.scheme());
            return Err(misfit(format!("`{name}` begins with `{found}:`, not with `{wanted}:`")));
        }
        Ok(url)
    }
}

impl FromStr for ServerUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without a host there is no telling what is a password and what is not.
        let Some(mut url) = self.0.parse::<Url>().ok().filter(Url::has_host) else {
            return f.write_str(HIDDEN);
        };
        // Parameters can name a password too.
        url.set_query(None);
        if url.password().is_some() && url.set_password(Some(HIDDEN)).is_err() {
            return f.write_str(HIDDEN);
        }
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An address, or the first that a host's name stands for.
fn address(text: &str) -> Result<SocketAddr, String> {
    let addresses = text.to_socket_addrs().map_err(|error| error.to_string());
    addresses?.next().ok_or_else(|| format!("`{text}` has no address"))
}

/// A name as the API takes it.
fn actor(text: &str) -> Result<String, &'static str> {
    let is_fit = (1..=limits::KEY_BYTES_MAX).contains(&text.len());
    match is_fit && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(text.to_owned()),
        false => Err("it takes 1 to 255 visible ASCII characters, no space"),
    }
}

fn filter(text: &str) -> Result<String, tracing_subscriber::filter::ParseError> {
    EnvFilter::builder().parse(text).map(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(url: &str) -> String {
        ServerUrl(url.to_owned()).to_string()
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(shown("amqp://a:secret@h:1/v?x=secret"), "amqp://a:***@h:1/v");
        assert_eq!(shown("postgres://h/d?password=secret"), "postgres://h/d");
        for odd in ["a:secret@h", "amqp:a:secret@h", "amqp://a:secret@h:port/", "secret", ""] {
            let url = ServerUrl(odd.to_owned());
            let misfit = url.check("X", &["amqp"], "").err().map(|misfit| misfit.to_string());
            assert!(!format!("{url} {url:?} {misfit:?}").contains("secret"), "{odd}");
        }
    }

    #[test]
    fn whoever_gives_an_order_is_named_or_else_the_user_is() {
        let name = |actor: Option<&str>, user: &str| {
            let (actor, user) = (actor.map(str::to_owned), Some(user.to_owned()));
            Actor { actor, user }.name()
        };
        assert_eq!(name(Some("ada"), "root").as_deref(), Some("ada"));
        assert_eq!(name(None, "root").as_deref(), Some("root"));
        assert_eq!(name(None, "Ada L."), None);
        assert!(actor("").is_err() && actor(&"x".repeat(256)).is_err());
    }

    #[test]
    fn servers_that_are_mixed_up_are_told_apart() {
        let swapped = ServerUrl("postgres://h/d".to_owned());
        let misfit = swapped.check("AMQP_URL", &["amqp", "amqps"], "way out");
        let message = misfit.map_err(|misfit| misfit.message);
        assert_eq!(message, Err("`AMQP_URL` begins with `postgres:`, not with `amqp:`".to_owned()));
    }
}
