//! Everything that the lab reads from the environment.

use std::env;

use anyhow::{Context, Result};

/// The variable that carries a lab's servers to the tests.
pub(crate) const LAB: &str = "SAGA_LAB";
/// What of our own environment the product's processes may see. Nothing else: a stray setting must
/// not decide a test.
const PASSED_ON: [&str; 8] = [
    "PATH",
    "HOME",
    "LANG",
    "TMPDIR",
    "RUST_BACKTRACE",
    "RUST_LOG",
    "LLVM_PROFILE_FILE",
    "NO_COLOR",
];

/// Servers that the user names: each wins over a private one.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// `AMQP_URL`: this broker is used and no private one is started.
    pub amqp_url: Option<String>,
    /// `DATABASE_URL`: this server is used and no private one is started.
    pub database_url: Option<String>,
}

impl Given {
    /// What the environment names.
    #[must_use]
    pub fn from_env() -> Self {
        Self { amqp_url: value("AMQP_URL"), database_url: value("DATABASE_URL") }
    }
}

/// The description of the servers of the lab that runs us.
pub(crate) fn lab() -> Result<String> {
    value(LAB).context(
        "`SAGA_LAB` is not set, so there are no servers to test against; run every test with \
         `cargo run -p lab -- test`, or one with `cargo run -p lab -- exec -- cargo test -p CRATE \
         NAME`",
    )
}

/// The folders where programs are looked for.
pub(crate) fn path() -> String {
    value("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned())
}

/// The cargo that runs us, or the one in `PATH`.
#[must_use]
pub fn cargo() -> String {
    value("CARGO").unwrap_or_else(|| "cargo".to_owned())
}

/// The variables that a process of the product inherits.
pub(crate) fn passed_on() -> impl Iterator<Item = (&'static str, String)> {
    PASSED_ON.into_iter().filter_map(|name| Some((name, value(name)?)))
}

fn value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
