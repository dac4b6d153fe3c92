//! Everything the lab says: data on stdout, talk on stderr.

use std::time::Duration;

/// One line about what is being done.
pub(crate) fn progress(text: &str) {
    anstream::eprintln!("lab: {text}");
}

/// What went wrong, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    anstream::eprintln!("error: {error:#}");
}

/// Data, as it is.
pub(crate) fn data(text: &str) {
    anstream::print!("{text}");
}

/// What became of each step of a run and how long it took.
pub(crate) fn summary(steps: &[(String, bool, Duration)]) {
    anstream::eprintln!();
    for (name, passed, elapsed) in steps {
        let word = if *passed { "passed" } else { "FAILED" };
        anstream::eprintln!("lab: {word}  {name:<8} {:>7.1} s", elapsed.as_secs_f64());
    }
    let total: Duration = steps.iter().map(|(_, _, elapsed)| *elapsed).sum();
    anstream::eprintln!("lab: {:>25.1} s in all", total.as_secs_f64());
}
