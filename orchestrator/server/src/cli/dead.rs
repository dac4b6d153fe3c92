//! `saga dead`: messages that cannot be processed. Lists and shows them, sends them on their way
//! again, gives them up.

use saga_protocol::{Timestamp, limits};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use uuid::Uuid;

use super::{
    Failure, Status,
    client::Client,
    list::{LIMIT, Page},
    output,
    table::{Cell, table},
    verbs,
    view::{Text, time},
};
use crate::settings;

/// What `saga dead` takes.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    list: List,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Lists them, newest first
    List(List),
    /// Shows one whole, with its headers and its body
    Show(Show),
    /// Sends them to the queues that they came from
    Requeue(Close),
    /// Gives them up; they are kept as a record
    Drop(Close),
}

#[derive(clap::Args)]
struct List {
    /// Also those that were requeued or dropped
    #[arg(long)]
    closed: bool,
    /// At most so many
    #[arg(long, default_value_t = LIMIT, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(limits::PAGE_MAX)))]
    limit: u32,
    /// Goes on behind an earlier list, as that said
    #[arg(long, value_name = "PLACE")]
    after: Option<String>,
    #[command(flatten)]
    client: settings::Client,
}

#[derive(clap::Args)]
struct Show {
    /// The dead letter
    id: Uuid,
    #[command(flatten)]
    client: settings::Client,
}

#[derive(clap::Args)]
struct Close {
    /// The dead letters
    #[arg(required = true, value_name = "ID")]
    ids: Vec<Uuid>,
    /// Why, for the record
    #[arg(long, value_parser = verbs::reason)]
    reason: String,
    #[command(flatten)]
    actor: settings::Actor,
    #[command(flatten)]
    client: settings::Client,
}

/// A letter, in a list or whole.
#[derive(Deserialize)]
struct Letter {
    id: Text,
    at: Timestamp,
    source: Text,
    reason: Text,
    correlation_id: Option<Text>,
    #[serde(rename = "type")]
    kind: Option<Text>,
    closed: Option<Closed>,
    properties: Option<Value>,
    body: Option<Text>,
    body_encoding: Option<Text>,
    #[serde(default)]
    body_cut: bool,
    sha256: Option<Text>,
}

#[derive(Deserialize)]
struct Closed {
    at: Timestamp,
    #[serde(rename = "as")]
    how: Text,
    actor: Text,
    reason: Text,
}

/// Does it.
pub(crate) async fn run(arguments: &Arguments) -> Result<Status, Failure> {
    match &arguments.command {
        None => list(&arguments.list).await,
        Some(Command::List(arguments)) => list(arguments).await,
        Some(Command::Show(arguments)) => show(arguments).await,
        Some(Command::Requeue(arguments)) => close(arguments, "requeue").await,
        Some(Command::Drop(arguments)) => close(arguments, "drop").await,
    }
}

async fn list(arguments: &List) -> Result<Status, Failure> {
    let client = Client::new(&arguments.client)?;
    let mut query = vec![("limit", arguments.limit.to_string())];
    query.extend(arguments.closed.then(|| ("closed", "true".to_owned())));
    query.extend(arguments.after.clone().map(|after| ("after", after)));
    let Page { items, next } = client.get(&["v1", "dead-letters"], &query).await?.read()?;
    output::page(&items, next, arguments.client.json, "no dead letters", render_list)?;
    Ok(Status::Done)
}

async fn show(arguments: &Show) -> Result<Status, Failure> {
    let client = Client::new(&arguments.client)?;
    let answer = client.get(&["v1", "dead-letters", &arguments.id.to_string()], &[]).await?;
    match arguments.client.json {
        true => output::data(&answer.body)?,
        false => output::data(&render(&answer.read()?))?,
    }
    Ok(Status::Done)
}

/// Requeues or drops each; one that cannot be does not spare the others.
async fn close(arguments: &Close, what: &str) -> Result<Status, Failure> {
    let mut closed = Vec::new();
    let worked = close_each(arguments, what, &mut closed).await;
    // What was done is told, whatever came after it.
    if arguments.client.json {
        output::items(&closed, Value::Null)?;
    }
    worked
}

async fn close_each(
    arguments: &Close,
    what: &str,
    closed: &mut Vec<Box<RawValue>>,
) -> Result<Status, Failure> {
    let client = Client::new(&arguments.client)?;
    let actor = arguments.actor.name().map(|actor| ("saga-actor", actor));
    let headers: Vec<_> = actor.into_iter().collect();
    let body = json!({ "reason": arguments.reason }).to_string();
    let mut status = Status::Done;
    for id in &arguments.ids {
        let path = ["v1", "dead-letters", &id.to_string(), what];
        match client.post(&path, &headers, body.clone().into_bytes()).await {
            Ok(answer) if arguments.client.json => closed.push(answer.read()?),
            Ok(answer) => {
                let letter: Letter = answer.read()?;
                let how = letter.closed.map_or_else(|| "open".to_owned(), |c| c.how.to_string());
                output::data(&format!("{}  {how}", letter.id))?;
            }
            Err(failure) if failure.status == Status::No => {
                output::failure(&failure.about(&format!("dead letter `{id}`")));
                status = Status::No;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(status)
}

fn render_list(letters: &[Box<RawValue>]) -> Result<String, Failure> {
    let mut rows = Vec::new();
    for letter in letters {
        let letter: Letter = serde_json::from_str(letter.get())
            .map_err(|error| Failure::cannot(format!("a letter is not understood: {error}")))?;
        let closed = letter.closed.map_or_else(|| "open".to_owned(), |c| c.how.to_string());
        rows.push(vec![
            time(letter.at).into(),
            Cell::from(&letter.id),
            closed.into(),
            Cell::from(&letter.source),
            letter.kind.map_or_else(|| "-".into(), Cell::from),
            letter.correlation_id.map_or_else(|| "-".into(), Cell::from),
            Cell::from(&letter.reason),
        ]);
    }
    Ok(table(["AT", "ID", "IS", "FROM", "TYPE", "SAGA", "REASON"], rows))
}

/// A letter in lines of text.
fn render(letter: &Letter) -> String {
    let mut facts = vec![
        ("id", letter.id.to_string()),
        ("at", time(letter.at)),
        ("from", letter.source.to_string()),
        ("reason", letter.reason.to_string()),
    ];
    facts.extend(letter.closed.iter().map(|closed| {
        let Closed { at, how, actor, reason } = closed;
        ("closed", format!("{how} by {actor} at {}: {reason}", time(*at)))
    }));
    let properties = letter.properties.as_ref().and_then(Value::as_object);
    for (name, value) in properties.into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::Object(headers) => {
                let headers =
                    headers.iter().map(|(name, value)| format!("{name}: {}", word(value)));
                facts.extend(headers.map(|header| ("header", Text::from(header).to_string())));
            }
            value => {
                facts.push(("property", Text::from(format!("{name}: {}", word(value))).to_string()))
            }
        }
    }
    facts.extend(letter.sha256.as_ref().map(|hash| ("sha256", hash.to_string())));
    let encoding = letter.body_encoding.as_ref().map(Text::as_str).filter(|how| *how != "text");
    let cut = letter.body_cut.then_some("only its beginning was kept");
    let notes: Vec<_> = encoding.into_iter().chain(cut).collect();
    let notes = if notes.is_empty() { String::new() } else { format!("({}) ", notes.join(", ")) };
    facts.extend(letter.body.as_ref().map(|body| ("body", format!("{notes}{body}"))));
    let lines = facts.iter().map(|(name, value)| format!("{name:<10}{value}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A value without quotes around it where it is text.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
