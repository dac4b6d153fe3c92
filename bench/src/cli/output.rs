//! Everything the bench says: figures on stdout, talk and progress on stderr.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often a bar is drawn while nothing changes.
const TICK: Duration = Duration::from_millis(200);

/// One line about what is being done.
pub(crate) fn progress(text: &str) {
    anstream::eprintln!("bench: {text}");
}

/// What went wrong, with its causes.
pub(crate) fn error(error: &anyhow::Error) {
    anstream::eprintln!("error: {error:#}");
}

/// A bar for so many orders; shown on a terminal only.
pub(crate) fn bar(orders: u32, what: &str) -> ProgressBar {
    let template = "bench: {msg} [{bar:32}] {pos}/{len} {per_sec} {eta}";
    let style = ProgressStyle::with_template(template);
    let bar = ProgressBar::new(orders.into()).with_message(what.to_owned());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.enable_steady_tick(TICK);
    bar
}

/// What was measured.
pub(crate) fn report(text: &str) {
    anstream::println!("{text}");
}
