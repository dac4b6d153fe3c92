//! `saga cancel`: stops sagas and compensates what took effect. Not `abandon`, which undoes
//! nothing.

use saga_protocol::SagaId;
use serde_json::{Value, json, value::RawValue};

use super::{
    Failure, Status,
    client::{Answer, Client},
    output,
    view::{Saga, style},
};
use crate::settings;

/// What `saga cancel` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The sagas
    #[arg(required = true, value_name = "ID")]
    ids: Vec<SagaId>,
    /// Why, for the journal
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    client: settings::Client,
}

/// Cancels each; one that cannot be cancelled does not spare the others.
pub(crate) async fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let client = Client::new(&arguments.client)?;
    let mut cancelled: Vec<Box<RawValue>> = Vec::new();
    let mut status = Status::Done;
    for &id in &arguments.ids {
        match cancel(&client, id, &arguments.reason).await {
            Ok(answer) if arguments.client.json => cancelled.push(answer.read()?),
            Ok(answer) => output::data(&render(&answer.read()?))?,
            Err(failure) if failure.status == Status::No => {
                output::failure(&failure.about(&format!("saga `{id}`")));
                status = Status::No;
            }
            Err(failure) => return Err(failure),
        }
    }
    if arguments.client.json {
        output::items(&cancelled, Value::Null)?;
    }
    Ok(status)
}

async fn cancel(client: &Client, id: SagaId, reason: &str) -> Result<Answer, Failure> {
    let body = json!({ "reason": reason }).to_string().into_bytes();
    client.post(&["v1", "sagas", &id.to_string(), "cancel"], &[], body).await
}

fn render(saga: &Saga) -> String {
    let painted = style(saga.status.as_str());
    format!("{}  {painted}{}{painted:#}", saga.id, saga.status())
}
