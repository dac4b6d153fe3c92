//! `saga watch`: what happens, as it happens. A terminal is redrawn in place; anything else gets
//! one line a change. It asks again and again, and needs nothing that other commands do not.

mod changes;
mod contact;
mod frame;
mod lines;
mod look;
mod screen;
mod views;

use std::time::Duration;

use saga_protocol::SagaId;

use self::screen::Screen;
use super::{Failure, Status, client::Client};
use crate::settings;

/// Between two looks: what happens seems to happen at once, and a dozen people who watch are no
/// load.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What `saga watch` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only this saga, until it has ended; then exits with 0 only if it is completed
    id: Option<SagaId>,
    #[command(flatten)]
    client: settings::Client,
}

/// Watches until there is nothing more to see, or nobody who sees it.
pub(crate) async fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let client = Client::new(&arguments.client)?;
    let json = arguments.client.json;
    let screen = Screen::of_stdout().filter(|_| !json);
    match (arguments.id, screen) {
        (None, Some(screen)) => views::all(&client, screen).await,
        (None, None) => lines::all(&client, json).await,
        (Some(id), Some(screen)) => views::one(&client, id, screen).await,
        (Some(id), None) => lines::one(&client, id, json).await,
    }
}

/// What a saga's end means to whoever waited for it.
fn outcome(status: &str) -> Status {
    match status {
        "completed" => Status::Done,
        _ => Status::No,
    }
}
