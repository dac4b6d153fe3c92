//! Where words go: data to stdout, talk to stderr.

use std::io::Write;

/// A line for whoever reads the result. A reader that has gone away is no reason to fail.
pub(crate) fn data(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A line for whoever waits.
pub(crate) fn talk(line: &str) {
    let _ = writeln!(std::io::stderr(), "simulation: {line}");
}
