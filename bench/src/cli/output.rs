//! Everything the bench says: figures on stdout, talk and progress on stderr.

use std::time::Duration;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::report::{Dev, Level, Raw, Report};

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

/// The whole report as one document.
pub(crate) fn json(report: &impl Serialize) -> Result<()> {
    anstream::println!("{}", serde_json::to_string_pretty(report)?);
    Ok(())
}

/// The report for people.
pub(crate) fn table(report: &Report) {
    let mut levels = columns(&[
        "in flight",
        "sagas/s",
        "p50 ms",
        "p99 ms",
        "messages/saga",
        "commits/saga",
        "(orchestrator",
        "participants)",
    ]);
    for level in &report.levels {
        levels.add_row(row(level));
    }
    let mut raw = columns(&["window", "confirmed/s", "confirmed, delivered and acknowledged/s"]);
    for Raw { window, confirmed_per_s, carried_per_s } in &report.raw {
        raw.add_row([
            window.to_string(),
            format!("{confirmed_per_s:.0}"),
            format!("{carried_per_s:.0}"),
        ]);
    }
    anstream::println!(
        "{} sagas of {} steps at each level\n\n{levels}\n\n\
         What the broker takes at most: the product's commands on the product's queues\n\n\
         {raw}\n\n\
         Best: {:.0} sagas/s, which is {:.2} of the {:.0} confirmed messages/s that the broker \
         takes (a saga is {} messages)",
        report.sagas,
        report.steps,
        report.sagas_per_s,
        report.ratio_to_limit,
        report.raw_messages_per_s,
        report.messages_per_saga_min,
    );
}

/// What `saga dev` takes and does, for people.
pub(crate) fn dev(report: &Dev) {
    let mut levels = columns(&["in flight", "sagas/s", "p50 ms", "p99 ms"]);
    for level in &report.levels {
        levels.add_row([
            level.in_flight.to_string(),
            format!("{:.1}", level.sagas_per_s),
            format!("{:.1}", level.p50_ms),
            format!("{:.1}", level.p99_ms),
        ]);
    }
    anstream::println!(
        "saga dev: ready after {:.0} ms with an empty folder, after {:.0} ms with sagas in it; {:.1} \
         MiB of memory when idle, {:.1} MiB after the load\n\n{} sagas at each level\n\n{levels}",
        report.ready_ms,
        report.ready_again_ms,
        report.idle_mib,
        report.loaded_mib,
        report.sagas,
    );
}

fn row(level: &Level) -> [String; 8] {
    let counted = |figure: Option<f64>| figure.map_or("?".to_owned(), |f| format!("{f:.2}"));
    [
        level.in_flight.to_string(),
        format!("{:.1}", level.sagas_per_s),
        format!("{:.1}", level.p50_ms),
        format!("{:.1}", level.p99_ms),
        counted(level.messages_per_saga),
        format!("{:.2}", level.commits_per_saga),
        format!("{:.2}", level.orchestrator_commits_per_saga),
        format!("{:.2}", level.participant_commits_per_saga),
    ]
}

fn columns(names: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(names);
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
