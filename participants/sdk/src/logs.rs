//! Logging, set up once per process.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, Settings};

/// Begins to log, to the standard error.
pub(crate) fn start(settings: &Settings) {
    let (filter, format) = (EnvFilter::new(&settings.log), settings.log_format);
    let terminal = io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let text = format == LogFormat::Text || (format == LogFormat::Auto && terminal);
    // Fails where the program has set up logging of its own, which then stands.
    let _ = if text {
        logs.with_ansi(terminal).try_init()
    } else {
        logs.json().flatten_event(true).try_init()
    };
}
