//! Reports for people.

use comfy_table::{CellAlignment, Table, presets::NOTHING};

use crate::report::{Dev, Floor, Growth, Level, PerSaga, Process, Raw, Report, Scale, Setup};

/// A run.
pub(crate) fn run(report: &Report) -> String {
    let mut raw = columns(&["", "window", "confirmed/s", "acknowledged/s"]);
    for one in &report.raw {
        let Raw { when, window, confirmed_per_s, acknowledged_per_s } = one;
        let rates = [confirmed_per_s, acknowledged_per_s].map(|rate| format!("{rate:.0}"));
        let [confirmed, acknowledged] = rates;
        raw.add_row([(*when).to_owned(), window.to_string(), confirmed, acknowledged]);
    }
    format!(
        "{}\n\n{}\n\nThe broker alone: messages of a real order on the product's queues\n\n\
         {raw}\n\n{}\n\n\
         With {} in flight: {:.1} sagas/s. At {} messages each, which are the fewest, that is \
         {:.3} of the {:.0} messages/s that the broker carries",
        head(&report.setup),
        levels(&report.levels),
        floor(&report.floor),
        report.highest.in_flight,
        report.highest.sagas_per_s,
        report.messages_per_saga_min,
        report.ratio_to_limit,
        report.raw_messages_per_s,
    )
}

/// One, two, three orchestrators.
pub(crate) fn scale(report: &Scale) -> String {
    format!("{}\n\n{}", head(&report.setup), levels(&report.levels))
}

/// Few and many stored sagas.
pub(crate) fn growth(report: &Growth) -> String {
    let mut names = vec!["".to_owned()];
    names.extend(report.sizes.iter().map(|size| format!("{} stored", size.stored)));
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(names);
    let mut row = |name: &str, figure: &dyn Fn(usize) -> String| {
        let cells = (0..report.sizes.len()).map(figure);
        table.add_row([name.to_owned()].into_iter().chain(cells));
    };
    let sizes = &report.sizes;
    row("database MiB", &|at| format!("{:.0}", sizes[at].database_mib));
    row("stored in s", &|at| format!("{:.1}", sizes[at].prefill_s));
    row("sagas/s", &|at| format!("{:.1}", sizes[at].sagas_per_s));
    let pair = |p50: f64, p99: f64| format!("{p50:.1} / {p99:.1}");
    row("order ms, p50 / p99", &|at| pair(sizes[at].p50_ms, sizes[at].p99_ms));
    let routes = sizes.first().map_or(&[][..], |size| &size.routes);
    for (number, route) in routes.iter().enumerate() {
        let figures = |at: usize| {
            let route = &sizes[at].routes[number];
            let failed = match route.failed {
                0 => String::new(),
                failed => format!(" ({failed} failed)"),
            };
            pair(route.p50_ms, route.p99_ms) + &failed
        };
        row(&format!("GET {}", pattern(&route.path)), &figures);
    }
    align(&mut table);
    let in_flight = report.in_flight;
    let head = head(&report.setup);
    format!("{head}; {in_flight} in flight. Reads one by one, ms, p50 / p99\n\n{table}")
}

/// What `saga dev` takes and does.
pub(crate) fn dev(report: &Dev) -> String {
    let mut levels = columns(&["in flight", "sagas/s", "p50 ms", "p99 ms"]);
    for level in &report.levels {
        levels.add_row([
            level.in_flight.to_string(),
            format!("{:.1}", level.sagas_per_s),
            format!("{:.1}", level.p50_ms),
            format!("{:.1}", level.p99_ms),
        ]);
    }
    format!(
        "saga dev: ready after {:.0} ms with an empty folder, after {:.0} ms with sagas in it; \
         {:.1} MiB of memory when idle, {:.1} MiB after the load\n\n\
         {} sagas at each level\n\n{levels}",
        report.ready_ms, report.ready_again_ms, report.idle_mib, report.loaded_mib, report.sagas,
    )
}

/// What was measured.
fn head(setup: &Setup) -> String {
    let Setup { sagas, fail_percent, kill_every_s, engine_only, release, processors } = setup;
    let mut head = format!("{sagas} sagas at each level, everything on {processors} processors");
    if !release {
        head += "; NOT built with --release";
    }
    if *engine_only {
        head += "; stand-ins without a database answer for the participants";
    }
    if *fail_percent > 0 {
        head += &format!("; the last step refuses {fail_percent} %");
    }
    if let Some(every) = kill_every_s {
        head += &format!("; every {every} s a process is killed");
    }
    head
}

fn levels(levels: &[Level]) -> String {
    let mut speed = columns(&[
        "orchestrators",
        "in flight",
        "sagas/s",
        "p50 ms",
        "p90 ms",
        "p99 ms",
        "messages/s",
        "messages/saga",
        "killed",
        "retries",
        "ends",
    ]);
    let mut cost = columns(&[
        "orchestrators",
        "in flight",
        "per saga, of",
        "commits",
        "rows",
        "inserted",
        "updated",
        "deleted",
        "HOT",
        "WAL bytes",
    ]);
    let mut used = columns(&[
        "orchestrators",
        "in flight",
        "process",
        "CPU s",
        "CPU s/1000 sagas",
        "peak MiB",
    ]);
    for level in levels {
        speed.add_row(speed_row(level));
        cost.add_row(cost_row(level, "orchestrator", &level.orchestrator));
        cost.add_rows(level.participants.iter().map(|one| cost_row(level, "participants", one)));
        used.add_rows(level.processes.iter().map(|process| process_row(level, process)));
    }
    format!("{speed}\n\n{cost}\n\n{used}")
}

fn speed_row(level: &Level) -> Vec<String> {
    let ends: Vec<_> = level.ends.iter().map(|(end, count)| format!("{count} {end}")).collect();
    vec![
        level.orchestrators.to_string(),
        level.in_flight.to_string(),
        format!("{:.1}", level.sagas_per_s),
        format!("{:.1}", level.p50_ms),
        format!("{:.1}", level.p90_ms),
        format!("{:.1}", level.p99_ms),
        known(level.messages_per_s, 0),
        known(level.messages_per_saga, 2),
        level.killed.to_string(),
        level.retries.to_string(),
        ends.join(", "),
    ]
}

fn cost_row(level: &Level, of: &str, cost: &PerSaga) -> Vec<String> {
    vec![
        level.orchestrators.to_string(),
        level.in_flight.to_string(),
        of.to_owned(),
        format!("{:.2}", cost.commits),
        format!("{:.2}", cost.rows_written),
        format!("{:.2}", cost.rows_inserted),
        format!("{:.2}", cost.rows_updated),
        format!("{:.2}", cost.rows_deleted),
        known(cost.saga_updates_hot, 3),
        known(cost.wal_bytes, 0),
    ]
}

fn process_row(level: &Level, process: &Process) -> Vec<String> {
    vec![
        level.orchestrators.to_string(),
        level.in_flight.to_string(),
        process.name.clone(),
        format!("{:.2}", process.cpu_s),
        format!("{:.2}", process.cpu_s_per_1000_sagas),
        format!("{:.1}", process.peak_mib),
    ]
}

fn floor(floor: &Floor) -> String {
    let Floor { insert_commit_ms, confirmed_publish_ms, commits, messages, .. } = floor;
    let least = floor.floor_ms;
    let p50 = floor.saga_p50_ms;
    let alone = p50.map_or(String::new(), |p50| format!("; half of the sagas took {p50:.1} ms"));
    format!(
        "One saga alone: a commit of one row takes {insert_commit_ms:.2} ms and a confirmed \
         message {confirmed_publish_ms:.2} ms, so that {commits} and {messages} of them one after \
         the other take {least:.1} ms{alone}"
    )
}

/// A figure that may not be known.
fn known(figure: Option<f64>, digits: usize) -> String {
    figure.map_or("?".to_owned(), |figure| format!("{figure:.digits$}"))
}

/// A path without the id of one saga.
fn pattern(path: &str) -> String {
    let parts = path.split_inclusive(['/', '=', '?', '&']);
    let is_id = |text: &str| text.len() == 36 && text.split('-').count() == 5;
    parts
        .map(|part| {
            let text = part.trim_end_matches(['/', '=', '?', '&']);
            if is_id(text) { part.replace(text, "{id}") } else { part.to_owned() }
        })
        .map(|part| if part.starts_with("stored-") { "{key}".to_owned() } else { part })
        .collect()
}

fn columns(names: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(names);
    align(&mut table);
    table
}

fn align(table: &mut Table) {
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_without_whom_it_asks_for() {
        let id = "0192f7a4-5d3c-7b1e-8a2f-3c4d5e6f7a8b";
        for (path, expected) in [
            ("/v1/sagas".to_owned(), "/v1/sagas"),
            (format!("/v1/sagas/{id}/journal"), "/v1/sagas/{id}/journal"),
            (format!("/v1/sagas?status=x&after={id}"), "/v1/sagas?status=x&after={id}"),
            ("/v1/sagas?key=stored-17".to_owned(), "/v1/sagas?key={key}"),
            ("/orders/stored-17".to_owned(), "/orders/{key}"),
        ] {
            assert_eq!(pattern(&path), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_not_nothing() {
        assert_eq!([known(None, 1), known(Some(0.25), 1)], ["?", "0.2"]);
    }
}
