//! Logging, set up once per process. A message reads alone; its fields are dotted and uniform
//! (`saga.id`, `step.name`, `participant.name`); payloads and passwords are in none.
//!
//! | level | means | read |
//! | --- | --- | --- |
//! | `error` | a human must act: a stuck saga, a contradiction, an unreadable message | at once |
//! | `warn` | it mends itself; often is a sign: a server is away, a look failed | next morning |
//! | `info` | what happened to sagas and process: started, turned back, ended, connected | along |
//! | `debug` | each message and transition | when looking for a fault |
//! | `trace` | what libraries tell of themselves | never, as a rule |

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, Logs};

/// Begins to log, to the standard error.
pub(crate) fn start(settings: &Logs) {
    begin(settings.filter(), settings.log_format);
}

/// The same, for a program that people run in front of them: only trouble, unless they ask for
/// more.
pub(crate) fn start_quietly(settings: &Logs) {
    begin(settings.quiet_filter(), settings.log_format);
}

fn begin(filter: EnvFilter, format: LogFormat) {
    let terminal = io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let text = format == LogFormat::Text || (format == LogFormat::Auto && terminal);
    // Fails where logging is set up already, which then stands.
    let _ = if text {
        logs.with_ansi(terminal).try_init()
    } else {
        logs.json().flatten_event(true).try_init()
    };
}
