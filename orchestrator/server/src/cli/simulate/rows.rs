//! The table of `saga simulate`: faults that come to the same share a row.

use std::time::Duration;

use saga_core::{
    rehearsal::{Mishap, Run, What},
    saga::Status,
};
use saga_protocol::Phase;

use super::{
    found::Simulated,
    words::{because, fault, length, place},
};
use crate::cli::table::{Cell, table as lines};

/// What is to be known to read every table, and some: by what stands in them.
const LEGEND: &str = "\
(step): there was nothing to undo. A compensation is reached by refusing a later step or, where \
there is none, by cancelling.
At worst: waits at their longest, lost messages until they are missed; an answer that comes takes \
no time.";
const SKIPPED: &str = "\
Skipped: the steps that conditions skip, where it hangs on that how the saga ends.";
const BECAUSE: [(&str, &str); 2] = [
    (
        "pivot_sent",
        "pivot_sent: the saga could not be cancelled any more, since its point of no return was \
         sent.",
    ),
    (
        "overdue",
        "overdue: the deadline passed after the point of no return was sent, which only counts.",
    ),
];

/// Faults of one command that come to the same, after the same time.
struct Row {
    /// The step and which of its commands; nothing where nothing goes wrong.
    command: Option<(usize, Phase)>,
    faults: Vec<What>,
    end: End,
    /// The cases in which they do, by number.
    cases: Vec<usize>,
    at_worst: Duration,
    messages: u32,
}

/// What a run comes to.
#[derive(Clone, PartialEq)]
struct End {
    status: Status,
    is_sound: bool,
    because: String,
    undone: String,
}

/// The table of a definition, with its name above and a legend below.
pub(super) fn table(simulated: &Simulated) -> String {
    let rows = rows(simulated);
    let title = format!("{} ({})", simulated.definition, simulated.file);
    let body = if simulated.cases.len() > 1 {
        let header = [
            "step",
            "fault",
            "skipped",
            "ends",
            "because",
            "undone, in order",
            "at worst",
            "messages",
        ];
        lines(header, rows.iter().map(|row| row.cells(simulated)))
    } else {
        let header =
            ["step", "fault", "ends", "because", "undone, in order", "at worst", "messages"];
        lines(header, rows.iter().map(|row| row.cells(simulated)))
    };
    let mut lines = vec![title.as_str(), &body, LEGEND];
    lines.extend((simulated.cases.len() > 1).then_some(SKIPPED));
    let is_there = |code: &str| rows.iter().any(|row| row.end.because == code);
    lines.extend(BECAUSE.into_iter().filter(|(code, _)| is_there(code)).map(|(_, told)| told));
    lines.join("\n")
}

fn rows(simulated: &Simulated) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for row in each(simulated) {
        let same = |known: &&mut Row| {
            let of = |row: &Row| (row.command, row.at_worst);
            of(known) == of(&row) && known.cases == row.cases && known.end == row.end
        };
        match rows.iter_mut().find(same) {
            Some(known) => {
                known.faults.extend(row.faults);
                known.messages = known.messages.max(row.messages);
            }
            None => rows.push(row),
        }
    }
    rows
}

/// A row for each fault and each of its ends, in the order of the steps.
fn each(simulated: &Simulated) -> Vec<Row> {
    let mut mishaps: Vec<Option<Mishap>> = Vec::new();
    for run in &simulated.singles {
        let mishap = run.mishaps.first().copied();
        if !mishaps.contains(&mishap) {
            mishaps.push(mishap);
        }
    }
    // By step: with several cases a step may come first in a later one.
    mishaps.sort_by_key(|mishap| mishap.map(|mishap| (mishap.step, mishap.phase)));
    let mut rows: Vec<Row> = Vec::new();
    for mishap in mishaps {
        let runs = simulated.singles.iter().filter(|run| run.mishaps.first().copied() == mishap);
        let first = rows.len();
        for run in runs {
            let end = End::of(simulated, run);
            match rows[first..].iter_mut().find(|row| row.end == end) {
                Some(row) => {
                    row.cases.push(run.case);
                    row.at_worst = row.at_worst.max(run.at_worst);
                    row.messages = row.messages.max(run.messages);
                }
                None => rows.push(Row {
                    command: mishap.map(|mishap| (mishap.step, mishap.phase)),
                    faults: mishap.into_iter().map(|mishap| mishap.what).collect(),
                    end,
                    cases: vec![run.case],
                    at_worst: run.at_worst,
                    messages: run.messages,
                }),
            }
        }
    }
    rows
}

impl End {
    fn of(simulated: &Simulated, run: &Run) -> Self {
        let undone = run.undone.iter().map(|undone| {
            let name = simulated.name(undone.step);
            if undone.there_was { name.to_owned() } else { format!("({name})") }
        });
        Self {
            status: run.ends,
            is_sound: run.is_sound(),
            because: because(run),
            undone: undone.collect::<Vec<_>>().join(", "),
        }
    }
}

impl Row {
    fn cells(&self, simulated: &Simulated) -> Vec<Cell> {
        let step = self.command.map(|(step, phase)| place(simulated, step, phase));
        let faults = match self.command {
            Some(_) => self.faults.iter().map(|what| fault(*what)).collect::<Vec<_>>().join(", "),
            None => "none".to_owned(),
        };
        let end = &self.end;
        let otherwise = if end.is_sound { "" } else { " OTHERWISE" };
        let mut cells = vec![Cell::from(step.unwrap_or_default()), faults.into()];
        if simulated.cases.len() > 1 {
            cells.push(self.skipped(simulated).into());
        }
        cells.extend([
            Cell::status(end.status.as_str()).and(otherwise),
            end.because.as_str().into(),
            end.undone.as_str().into(),
            length(self.at_worst).into(),
            self.messages.into(),
        ]);
        cells
    }

    /// Which steps their conditions skip in the cases of this row; nothing where it is the same in
    /// all cases.
    fn skipped(&self, simulated: &Simulated) -> String {
        let runs = |case: &&saga_core::rehearsal::Case| match self.command {
            Some((step, _)) => case.ran[step] == Some(true),
            None => true,
        };
        if simulated.cases.iter().filter(runs).count() == self.cases.len() {
            return String::new();
        }
        let told = self.cases.iter().map(|case| {
            let ran = simulated.cases[*case].ran.iter().enumerate();
            let skipped: Vec<_> = ran
                .filter(|(_, ran)| **ran == Some(false))
                .map(|(step, _)| simulated.name(step))
                .collect();
            if skipped.is_empty() { "none".to_owned() } else { skipped.join(" and ") }
        });
        told.collect::<Vec<_>>().join(", or ")
    }
}
