//! `saga journal`: every record of one saga, oldest first.

use saga_protocol::{SagaId, Timestamp, limits};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Failure, Status,
    client::Client,
    output,
    table::{Cell, table},
    view::{Cause, Fault, Text, time},
};
use crate::settings;

/// Pages that are read at once. A saga of the most steps, each with every attempt forward and
/// backward, has a tenth of it.
const PAGES_MAX: u32 = 64;

/// What `saga journal` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The saga
    id: SagaId,
    /// Only records after this version
    #[arg(long, value_name = "VERSION")]
    after: Option<i64>,
    #[command(flatten)]
    client: settings::Client,
}

/// One page of records.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) items: Vec<Box<RawValue>>,
    /// The version behind which the next page begins.
    pub(super) next: Option<i64>,
}

/// One record.
#[derive(Deserialize)]
pub(super) struct Record {
    pub(super) version: i64,
    at: Timestamp,
    entry: Entry,
}

#[derive(Deserialize)]
struct Entry {
    event: Event,
    status: Text,
    cause: Option<Cause>,
    #[serde(default)]
    changes: Vec<Change>,
    #[serde(default)]
    sent: Vec<Sent>,
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: Text,
    verb: Option<Text>,
    step: Option<Text>,
    phase: Option<Text>,
    attempt: Option<u32>,
    outcome: Option<Text>,
    error: Option<Fault>,
    actor: Option<Text>,
    reason: Option<Text>,
}

#[derive(Deserialize)]
struct Change {
    step: Text,
    from: Text,
    to: Text,
}

#[derive(Deserialize)]
struct Sent {
    step: Text,
    phase: Text,
    attempt: u32,
}

/// Shows it.
pub(crate) async fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let (records, next) = read(arguments).await?;
    match arguments.client.json {
        true => output::items(&records, next)?,
        false => output::data(&render(&records)?)?,
    }
    if let Some(next) = next {
        output::say(&format!("there is more: go on with `--after {next}`"));
    }
    Ok(Status::Done)
}

/// All records, or as many as are read at once and where to go on.
async fn read(arguments: &Arguments) -> Result<(Vec<Box<RawValue>>, Option<i64>), Failure> {
    let client = Client::new(&arguments.client)?;
    let mut records = Vec::new();
    let mut after = arguments.after;
    for _ in 0..PAGES_MAX {
        let page = page(&client, arguments.id, after).await?;
        records.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok((records, after))
}

/// The records behind this version, as many as a page has.
pub(super) async fn page(client: &Client, id: SagaId, after: Option<i64>) -> Result<Page, Failure> {
    let mut query = vec![("limit", limits::PAGE_MAX.to_string())];
    query.extend(after.map(|version| ("after", version.to_string())));
    client.get(&["v1", "sagas", &id.to_string(), "journal"], &query).await?.read()
}

fn render(records: &[Box<RawValue>]) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for record in records {
        let Record { version, at, entry } = Record::read(record)?;
        let status = Cell::status(entry.status.as_str());
        let (event, led_to) = (entry.event.to_string(), entry.led_to());
        rows.push(vec![version.into(), time(at).into(), event.into(), status, led_to.into()]);
    }
    Ok(table(["VERSION", "AT", "EVENT", "SAGA", "LED TO"], rows))
}

impl Record {
    /// What the API said of it.
    ///
    /// # Errors
    /// When that means nothing to this program.
    pub(super) fn read(document: &RawValue) -> Result<Self, Failure> {
        serde_json::from_str(document.get())
            .map_err(|error| Failure::cannot(format!("a record is not understood: {error}")))
    }

    /// The saga's status since then.
    pub(super) fn status(&self) -> &str {
        self.entry.status.as_str()
    }

    /// The record in one line.
    pub(super) fn line(&self) -> String {
        let Self { version, at, entry } = self;
        let line = format!("{version}  {}  {:<12}  {}", time(*at), entry.status, entry.event);
        match entry.led_to() {
            led_to if led_to.is_empty() => line,
            led_to => format!("{line}  {led_to}"),
        }
    }
}

impl std::fmt::Display for Event {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.kind)?;
        let words = [&self.verb, &self.step, &self.phase];
        for word in words.into_iter().flatten() {
            write!(f, " {word}")?;
        }
        if let Some(attempt) = self.attempt {
            write!(f, " #{attempt}")?;
        }
        if let Some(outcome) = &self.outcome {
            write!(f, ": {outcome}")?;
        }
        if let Some(error) = &self.error {
            write!(f, ", {error}")?;
        }
        if let Some(actor) = &self.actor {
            write!(f, " by {actor}")?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

impl Entry {
    /// What changed and what was sent, one thing a line.
    fn led_to(&self) -> String {
        let cause = self.cause.iter().map(|cause| format!("turned back by {cause}"));
        let changes = self.changes.iter();
        let changes =
            changes.map(|change| format!("{} {} -> {}", change.step, change.from, change.to));
        let sent = self.sent.iter();
        let sent = sent.map(|sent| format!("sent {} {} #{}", sent.step, sent.phase, sent.attempt));
        cause.chain(changes).chain(sent).collect::<Vec<_>>().join("; ")
    }
}
