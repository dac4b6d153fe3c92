//! `saga timers`: what will happen when, unless an answer or an operator comes first.

use saga_protocol::{SagaId, Timestamp, limits};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Failure, Status,
    client::Client,
    list::{LIMIT, Page},
    output,
    table::{Cell, table},
    view::{Text, time},
};
use crate::settings;

/// What `saga timers` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only those of this saga, also while it is paused
    id: Option<SagaId>,
    /// Those of at most so many sagas
    #[arg(long, default_value_t = LIMIT, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::PAGE_MAX)))]
    limit: u32,
    /// Goes on behind an earlier list, as that said
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    #[command(flatten)]
    client: settings::Client,
}

/// One timer.
#[derive(Deserialize)]
struct Timer {
    saga: Text,
    definition: Text,
    key: Option<Text>,
    #[serde(default)]
    paused: bool,
    what: Text,
    step: Option<Text>,
    phase: Option<Text>,
    attempt: Option<u32>,
    at: Timestamp,
}

/// Lists them.
pub(crate) async fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let client = Client::new(&arguments.client)?;
    let mut query = vec![("limit", arguments.limit.to_string())];
    query.extend(arguments.id.map(|id| ("saga", id.to_string())));
    query.extend(arguments.after.clone().map(|after| ("after", after)));
    let Page { items, next } = client.get(&["v1", "timers"], &query).await?.read()?;
    output::page(&items, next, arguments.client.json, "no timers", render)?;
    Ok(Status::Done)
}

fn render(timers: &[Box<RawValue>]) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for timer in timers {
        let timer: Timer = serde_json::from_str(timer.get())
            .map_err(|error| Failure::cannot(format!("a timer is not understood: {error}")))?;
        rows.push(row(&timer));
    }
    Ok(table(["AT", "WHAT", "STEP", "SAGA", "DEFINITION", "KEY"], rows))
}

fn row(timer: &Timer) -> Vec<Cell> {
    let step = timer.step.as_ref().map(|step| {
        let phase = timer.phase.as_ref().filter(|phase| phase.as_str() != "action");
        let phase = phase.map(|phase| format!(" {phase}")).unwrap_or_default();
        let attempt = timer.attempt.map(|attempt| format!(" #{attempt}")).unwrap_or_default();
        format!("{step}{phase}{attempt}")
    });
    let at = match timer.paused {
        true => "paused".to_owned(),
        false => time(timer.at),
    };
    vec![
        at.into(),
        Cell::from(&timer.what),
        step.map_or_else(|| "-".into(), Cell::from),
        Cell::from(&timer.saga),
        Cell::from(&timer.definition),
        timer.key.as_ref().map_or_else(|| "-".into(), Cell::from),
    ]
}
