//! Broken variants: each breaks one thing that the product does, and is found by a seed. The table
//! of them: `cargo test -p saga-simulation --test variants -- --nocapture`. Those inside the core
//! are patches, applied to a copy of the workspace: `cargo run -p saga-simulation -- patches`.

mod around;
mod barrier;
mod bus;
mod participant;
mod patches;
mod start;
mod store;

use saga_simulation::{Campaign, Options, Parts};

/// Within so many seeds each is found.
const SEEDS: u64 = 10_000;

/// Fails where no seed finds the variant. Says which is the first that does, and what it finds.
#[expect(clippy::print_stdout, reason = "which seed finds what is what the tests show")]
fn found(what: &str, parts: Parts) {
    let options = Options { parts, ..Options::default() };
    let tally = Campaign { seeds: 0..SEEDS, options, stops_at_first: true }.run(|_, _| {});
    let first = tally.failed.first();
    let first = first.unwrap_or_else(|| panic!("no seed below {SEEDS} finds {what}"));
    println!("| {what} | {} | {} |", first.seed, first.violations[0].promise);
}
