//! What a run under chaos is told of by: counts, times and violations, in Markdown. Nothing of it
//! says on which machine it was.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    fs::File,
    io::Write as _,
    iter,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{ChaosSettings, Done, Placed, say};

/// Whatever was accepted must have ended so long after the last fault.
const END_MAX: Duration = Duration::from_secs(60);
/// The attempts that `order` allows each step.
const ATTEMPTS_MAX: u64 = 5;

/// Durations, to be told as quantiles.
#[derive(Clone, Debug, Default)]
pub struct Times(Vec<Duration>);

/// How an order ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    /// Completed, as it should.
    Completed,
    /// Compensated since shipping refused it, as it should.
    Refused,
    /// Compensated since a step used up its attempts: faults may do that to an order.
    UsedUp,
    /// Otherwise, for which there is no excuse.
    Otherwise,
}

/// A run that is over.
pub struct Report<'a> {
    /// How large it was.
    pub settings: &'a ChaosSettings,
    /// What befell it.
    pub done: &'a [Done],
    /// What became of the orders.
    pub placed: &'a [Placed],
    /// Starts that were answered with success.
    pub promised: usize,
    /// Broken promises.
    pub violations: &'a [String],
    /// How long orders flowed.
    pub took: Duration,
}

impl Times {
    /// The smallest time that so many in a hundred do not exceed.
    fn quantile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).copied().unwrap_or_default()
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

/// How many, median, 99th percentile and maximum, as cells of a table.
impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = [50, 99, 100].map(|percent| self.quantile(percent).as_secs_f64());
        let [p50, p99, max] = cells;
        write!(f, "{} | {p50:.2} s | {p99:.2} s | {max:.2} s", self.0.len())
    }
}

impl Ending {
    /// How this order ended.
    #[must_use]
    pub fn of(order: &Placed) -> Self {
        let steps = order.saga["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_used_up = steps.iter().any(|step| step["attempts"].as_u64() >= Some(ATTEMPTS_MAX));
        match (order.expected, order.saga["status"].as_str()) {
            ("completed", Some("completed")) => Self::Completed,
            ("compensated", Some("compensated")) => Self::Refused,
            ("completed", Some("compensated")) if is_used_up => Self::UsedUp,
            _ => Self::Otherwise,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Refused => "compensated, as shipping refused",
            Self::UsedUp => "compensated, as a step used up its attempts",
            Self::Otherwise => "ended otherwise",
        }
    }
}

impl Report<'_> {
    /// Orders that had not ended a minute after the last fault, or after they were accepted later.
    #[must_use]
    pub fn late(&self) -> usize {
        let last = self.done.iter().map(|done| done.over).max();
        let late = |order: &&Placed| {
            let from = last.map_or(order.accepted, |last| last.max(order.accepted));
            order.ended > from + END_MAX
        };
        self.placed.iter().filter(late).count()
    }

    /// How many orders ended how.
    #[must_use]
    pub fn endings(&self) -> BTreeMap<Ending, usize> {
        self.placed.iter().fold(BTreeMap::new(), |mut endings, order| {
            *endings.entry(Ending::of(order)).or_default() += 1;
            endings
        })
    }

    /// By kind of fault: from its end to the first end of an order after it.
    fn recoveries(&self) -> BTreeMap<String, Times> {
        let mut ends: Vec<Instant> = self.placed.iter().map(|order| order.ended).collect();
        ends.sort_unstable();
        let mut times = BTreeMap::<_, Vec<_>>::new();
        for done in self.done {
            let next = ends.partition_point(|end| *end <= done.over);
            let kind = times.entry(done.fault.kind()).or_default();
            kind.extend(ends.get(next).map(|end| end.duration_since(done.over)));
        }
        times.into_iter().map(|(kind, times)| (kind, times.into_iter().collect())).collect()
    }

    /// The whole of it.
    #[must_use]
    pub fn markdown(&self) -> String {
        let ChaosSettings { orders, in_flight, seed, .. } = self.settings;
        let (took, faults) = (self.took.as_secs(), self.done.len());
        let mut text = format!(
            "## Orders under chaos\n\n\
             {orders} orders, {in_flight} in flight, met {faults} faults within {took} s, some at \
             once; the seed was `{seed}`.\nA fault ends when who was killed is started again, or \
             when a server answers again.\n\n"
        );
        let rows = self.recoveries().into_iter().map(|(kind, times)| format!("{kind} | {times}"));
        let head = "fault | times | first order's end after it, p50 | p99 | max";
        table(&mut text, head, rows);
        let consumers: Times = self.done.iter().filter_map(|done| done.consumers).collect();
        let orders: Times =
            self.placed.iter().map(|order| order.ended.duration_since(order.asked)).collect();
        let rows = [
            format!("from RabbitMQ's answering to a look that saw all consumers | {consumers}"),
            format!("from an order's first request to its end | {orders}"),
        ];
        table(&mut text, "time | times | p50 | p99 | max", rows);
        let endings = self.endings().into_iter();
        let rows = endings.map(|(ending, count)| format!("{} | {count}", ending.words())).chain([
            format!("starts answered with success | {}", self.promised),
            format!("not ended 60 s after the last fault | {}", self.late()),
            format!("violations | {}", self.violations.len()),
        ]);
        table(&mut text, "sagas | count", rows);
        for violation in self.violations {
            text.push_str(&format!("- {}\n", violation.replace('\n', "\n  ")));
        }
        text
    }
}

/// A table of Markdown, of rows without the bars at their ends.
fn table(text: &mut String, head: &str, rows: impl IntoIterator<Item = String>) {
    let dashes = head.split('|').map(|_| "---").collect::<Vec<_>>().join(" | ");
    for row in [head.to_owned(), dashes].into_iter().chain(rows) {
        // Text takes whatever is written to it.
        let _ = writeln!(text, "| {row} |");
    }
    text.push('\n');
}

/// One time, of which there are many, as a section of a report.
#[must_use]
pub fn section(title: &str, about: &str, what: &str, times: &Times) -> String {
    let mut text = format!("## {title}\n\n{about}\n\n");
    let row = format!("{what} | {times}");
    table(&mut text, "time | times | p50 | p99 | max", iter::once(row));
    text
}

/// Prints a part of the report, and adds it to the file that is wanted.
///
/// # Errors
/// When it cannot be written.
pub fn publish(settings: &ChaosSettings, text: &str) -> Result<()> {
    say(&format!("report\n\n{text}"));
    let Some(path) = &settings.report else { return Ok(()) };
    append(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

fn append(path: &Path, text: &str) -> Result<()> {
    // A test runs in the folder of its crate, and whoever names a file sits in the workspace's.
    let path = lab::workspace().join(path);
    let mut file = File::options().create(true).append(true).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}
