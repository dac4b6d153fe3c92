//! `saga list`: sagas by keyset pages, active ones first.

use std::{fmt, str::FromStr};

use clap::builder::PossibleValuesParser;
use saga_protocol::limits;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Failure, Status,
    client::Client,
    output,
    table::{Cell, table},
    view::{Saga, time},
};
use crate::settings;

/// What somebody may have to do with.
pub(super) const ACTIVE: [&str; 3] = ["stuck", "compensating", "running"];
/// What is over.
pub(super) const ENDED: [&str; 4] = ["completed", "compensated", "partly_compensated", "abandoned"];
/// Sagas of one call where it does not say: two screens.
pub(super) const LIMIT: u32 = 50;

/// What `saga list` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only sagas with one of these statuses
    #[arg(long, value_delimiter = ',',
        value_parser = PossibleValuesParser::new(ACTIVE.into_iter().chain(ENDED)))]
    status: Vec<String>,
    /// Only sagas of this definition
    #[arg(long, value_name = "NAME")]
    definition: Option<String>,
    /// Only sagas that are at this step now
    #[arg(long, value_name = "NAME")]
    step: Option<String>,
    /// Only sagas with this business key
    #[arg(long)]
    key: Option<String>,
    /// Only sagas that were created at least so long ago, such as `90s`, `10m`, `2h` or `7d`
    #[arg(long, value_name = "AGE", value_parser = age)]
    older_than: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = LIMIT, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::PAGE_MAX)))]
    limit: u32,
    /// Goes on behind an earlier list, as that said
    #[arg(long, value_name = "PLACE")]
    after: Option<Place>,
    #[command(flatten)]
    client: settings::Client,
}

/// Where a list goes on: active sagas first, newest first, then those that ended, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    group: Group,
    /// Behind this saga of the group.
    after: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Active,
    Ended,
}

/// One page.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) items: Vec<Box<RawValue>>,
    /// The `after` of the next one.
    pub(super) next: Option<String>,
}

/// Lists them.
pub(crate) async fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let (sagas, next) = read(arguments).await?;
    let next = next.map(|place| place.to_string());
    output::page(&sagas, next, arguments.client.json, "no sagas", render)?;
    Ok(Status::Done)
}

/// As many sagas as are wanted, and where to go on.
async fn read(arguments: &Arguments) -> Result<(Vec<Box<RawValue>>, Option<Place>), Failure> {
    let client = Client::new(&arguments.client)?;
    let mut sagas = Vec::new();
    let mut place = arguments.after.clone().unwrap_or(Place { group: Group::Active, after: None });
    loop {
        let wanted = arguments.limit - u32::try_from(sagas.len()).unwrap_or(arguments.limit);
        if wanted == 0 {
            return Ok((sagas, Some(place)));
        }
        let statuses = place.group.statuses(&arguments.status);
        let mut next = None;
        if !statuses.is_empty() {
            let query = arguments.query(&statuses, wanted, place.after.as_ref());
            let page: Page = client.get(&["v1", "sagas"], &query).await?.read()?;
            sagas.extend(page.items);
            next = page.next;
        }
        place = match (place.group, next) {
            (group, Some(id)) => Place { group, after: Some(id) },
            (Group::Active, None) => Place { group: Group::Ended, after: None },
            (Group::Ended, None) => return Ok((sagas, None)),
        };
    }
}

impl Arguments {
    fn query(
        &self,
        statuses: &[&str],
        limit: u32,
        after: Option<&String>,
    ) -> Vec<(&'static str, String)> {
        let mut query = vec![("status", statuses.join(",")), ("limit", limit.to_string())];
        let given = [
            ("definition", self.definition.as_ref()),
            ("step", self.step.as_ref()),
            ("key", self.key.as_ref()),
            ("older_than", self.older_than.as_ref()),
            ("after", after),
        ];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value?.clone())));
        query.extend(given);
        query
    }
}

impl Group {
    /// Its statuses, as far as they are wanted; none wanted means all.
    fn statuses(self, wanted: &[String]) -> Vec<&'static str> {
        let all: &[&str] = match self {
            Self::Active => &ACTIVE,
            Self::Ended => &ENDED,
        };
        let is_wanted =
            |status: &&&'static str| wanted.is_empty() || wanted.iter().any(|w| w == **status);
        all.iter().filter(is_wanted).copied().collect()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = match self.group {
            Group::Active => "active",
            Group::Ended => "ended",
        };
        match &self.after {
            Some(after) => write!(f, "{group}:{after}"),
            None => f.write_str(group),
        }
    }
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (group, after) = match text.split_once(':') {
            Some((group, after)) => (group, Some(after.to_owned())),
            None => (text, None),
        };
        let group = match group {
            "active" => Group::Active,
            "ended" => Group::Ended,
            _ => return Err("it takes what an earlier list said to go on with"),
        };
        Ok(Self { group, after })
    }
}

/// An age as the API takes it.
pub(super) fn age(text: &str) -> Result<String, &'static str> {
    let number = text.strip_suffix(['s', 'm', 'h', 'd']).unwrap_or_default();
    match number.parse::<u32>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("it takes a whole number and a unit: `90s`, `10m`, `2h`, `7d`"),
    }
}

fn render(sagas: &[Box<RawValue>]) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for saga in sagas {
        let saga: Saga = serde_json::from_str(saga.get())
            .map_err(|error| Failure::cannot(format!("a saga is not understood: {error}")))?;
        rows.push(Vec::from(row(&saga)));
    }
    Ok(table(["STATUS", "ID", "DEFINITION", "KEY", "CREATED", "STEP", "CAUSE"], rows))
}

/// What a table says of a saga.
pub(super) fn row(saga: &Saga) -> [Cell; 7] {
    let paused = if saga.paused { ", paused" } else { "" };
    let steps: Vec<_> = saga.current().map(|step| step.name.as_str()).collect();
    let cause = saga.cause.as_ref().map(|cause| match &cause.step {
        Some(step) => format!("{step}: {}", cause.fault.code),
        None => cause.fault.code.to_string(),
    });
    [
        Cell::status(saga.status.as_str()).and(paused),
        Cell::from(&saga.id),
        Cell::from(&saga.definition),
        saga.key.as_ref().map_or_else(|| "-".into(), Cell::from),
        time(saga.created_at).into(),
        if steps.is_empty() { "-".into() } else { steps.join(", ").into() },
        cause.map_or_else(|| "-".into(), Cell::from),
    ]
}
