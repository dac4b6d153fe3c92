//! `saga definitions`: which versions there are, and how many sagas in flight follow each.

use saga_protocol::Timestamp;
use serde::Deserialize;

use super::{
    Failure, Status,
    client::Client,
    output,
    table::{Cell, table},
    view::{Text, time},
};
use crate::settings;

/// What `saga definitions` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this one, with versions that no saga in flight follows any more, too
    name: Option<String>,
    #[command(flatten)]
    client: settings::Client,
}

/// All of them.
#[derive(Deserialize)]
struct List {
    items: Vec<Definition>,
    /// Why the files as they are now are not served.
    reload_error: Option<String>,
}

/// A definition.
#[derive(Deserialize)]
struct Definition {
    name: Text,
    path: Option<Text>,
    #[serde(default)]
    versions: Vec<Version>,
}

/// A version of a definition.
#[derive(Deserialize)]
struct Version {
    version: Text,
    current: bool,
    first_seen: Option<Timestamp>,
    running: u64,
    compensating: u64,
    stuck: u64,
    drained: bool,
}

/// Lists them.
pub(crate) async fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let client = Client::new(&arguments.client)?;
    let path: Vec<_> = ["v1", "definitions"].into_iter().chain(arguments.name.as_deref()).collect();
    let answer = client.get(&path, &[]).await?;
    let List { items, reload_error } = match arguments.name {
        Some(_) => List { items: vec![answer.read()?], reload_error: None },
        None => answer.read()?,
    };
    match arguments.client.json {
        true => output::data(&answer.body)?,
        false if items.is_empty() => output::say("no definitions"),
        false => output::data(&render(&items))?,
    }
    if let Some(why) = reload_error {
        output::warn("the files as they are now cannot be loaded; what was served before still is");
        for line in why.lines() {
            output::say(Text::from(line.to_owned()).to_string().as_str());
        }
    }
    Ok(Status::Done)
}

fn render(definitions: &[Definition]) -> String {
    let rows = definitions
        .iter()
        .flat_map(|definition| definition.versions.iter().map(|version| row(definition, version)));
    let header = [
        "DEFINITION",
        "VERSION",
        "STATE",
        "RUNNING",
        "COMPENSATING",
        "STUCK",
        "FIRST SEEN",
        "PATH",
    ];
    table(header, rows)
}

fn row(definition: &Definition, version: &Version) -> Vec<Cell> {
    let state = match (version.current, version.drained) {
        (true, _) => "current",
        (false, false) => "draining",
        (false, true) => "drained",
    };
    let path = definition.path.as_ref().filter(|_| version.current);
    vec![
        Cell::from(&definition.name),
        Cell::from(&version.version),
        state.into(),
        version.running.into(),
        version.compensating.into(),
        version.stuck.into(),
        version.first_seen.map_or_else(|| "-".into(), |at| time(at).into()),
        path.map_or_else(|| "-".into(), Cell::from),
    ]
}
