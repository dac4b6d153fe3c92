//! `saga start`: starts a saga, and waits for its end where asked to.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use saga_protocol::limits;

use super::{
    Failure, Status,
    client::{Answer, Client},
    output, show,
    view::Saga,
};
use crate::settings;

/// Until the first look at a saga that is waited for: most end in less. Each look is twice as far
/// from the one before.
const LOOK_FIRST: Duration = Duration::from_millis(50);
/// The most between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What `saga start` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The definition's name
    #[arg(value_name = "NAME")]
    definition: String,
    /// The file of the input, which is JSON; `-` is the standard input
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The `Idempotency-Key`: starting again with the same key and input shows the same saga
    #[arg(long)]
    key: Option<String>,
    /// Waits until the saga has ended, is stuck or paused; then exits with 0 only if it is
    /// completed
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    client: settings::Client,
}

/// Starts it.
pub(crate) async fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let client = Client::new(&arguments.client)?;
    let input = read(&arguments.input)?;
    let mut headers = Vec::new();
    headers.extend(arguments.key.clone().map(|key| ("idempotency-key", key)));
    let path = ["v1", "definitions", &arguments.definition, "sagas"];
    let mut answer = client.post(&path, &headers, input).await?;
    if answer.replayed {
        output::say("it was started before; this is that saga");
    }
    let mut saga: Saga = answer.read()?;
    if arguments.wait && !is_at_rest(&saga) {
        // Before the wait: whoever breaks it off, or is cut off, knows of which saga.
        output::say(&format!("started saga `{}`; waiting for its end", saga.id));
        answer = at_rest(&client, saga.id.as_str()).await.map_err(|failure| {
            failure.hint(format!("the saga goes on: see `saga show {}`", saga.id))
        })?;
        saga = answer.read()?;
    }
    match arguments.client.json {
        true => output::data(&answer.body)?,
        false => output::data(&show::render(&saga))?,
    }
    Ok(match saga.status.as_str() {
        "completed" => Status::Done,
        _ if arguments.wait => Status::No,
        _ => Status::Done,
    })
}

/// The saga once nothing happens to it any more by itself. This has no limit of its own: attempts
/// and timeouts bound what a saga does before it ends or is stuck.
async fn at_rest(client: &Client, id: &str) -> Result<Answer, Failure> {
    let mut pause = LOOK_FIRST;
    loop {
        tokio::time::sleep(pause).await;
        let answer = client.get(&["v1", "sagas", id], &[]).await?;
        if is_at_rest(&answer.read()?) {
            return Ok(answer);
        }
        pause = (pause * 2).min(LOOK_EVERY);
    }
}

fn is_at_rest(saga: &Saga) -> bool {
    saga.finished_at.is_some() || saga.paused || saga.status.as_str() == "stuck"
}

/// The input as it is; whether it is good is for the orchestrator to say.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = path.display();
    let max = limits::BODY_BYTES_MAX;
    let source: io::Result<Box<dyn Read>> = match path == Path::new("-") {
        true => Ok(Box::new(io::stdin())),
        false => File::open(path).map(|file| Box::new(file) as Box<dyn Read>),
    };
    let mut input = Vec::new();
    let read = source.and_then(|source| source.take(max as u64 + 1).read_to_end(&mut input));
    read.map_err(|error| {
        Failure::cannot(format!("cannot read the input `{shown}`: {error}"))
            .hint("`--input` takes a file with JSON, or `-` for the standard input")
    })?;
    if input.len() > max {
        let message = format!("the input `{shown}` has more than {max} bytes");
        return Err(
            Failure::cannot(message).hint("store what is large elsewhere and pass its address")
        );
    }
    Ok(input)
}
