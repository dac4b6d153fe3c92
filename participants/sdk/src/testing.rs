//! For tests of a participant: commands as an orchestrator sends them, and what the replies say.
//! With [`Participant::connect`](crate::Participant::connect) a test needs a database, no broker.

use std::time::Duration;

use bytes::Bytes;
use saga_protocol::{
    Command, DefinitionName, Json, Knowledge, Outcome, ParticipantName, Phase, ReplyBody, SagaId,
    StepKind, StepName, Timestamp, Undo,
};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    Answer, Parameter, Row, Service,
    attempt::{Ended, Trouble, sort, transact},
};

/// How long the commands may start: no test runs longer.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// An action of a new saga, in the step `step`, compensatable.
///
/// # Panics
/// When a name is not valid, or the input does not become JSON.
#[must_use]
pub fn action(participant: &str, action: &str, input: &impl Serialize) -> Command {
    let started = Timestamp::wall_clock();
    Command {
        saga_id: SagaId(Uuid::now_v7()),
        definition: DefinitionName::new("test").expect("it is a name"),
        step: StepName::new("step").expect("it is a name"),
        phase: Phase::Action,
        kind: StepKind::Compensatable,
        participant: ParticipantName::new(participant).expect("a participant's name"),
        action: action.to_owned(),
        attempt: 1,
        started,
        deadline: started.after(LIFETIME),
        body: json(input),
        trace: None,
    }
}

/// The compensation of an action, by one who knows this of it.
///
/// # Panics
/// When the action's input is not JSON.
#[must_use]
pub fn compensation(of: &Command, name: &str, action: Knowledge, output: Option<Json>) -> Command {
    let input = serde_json::from_slice(&of.body).expect("the action's input is JSON");
    Command {
        phase: Phase::Compensation,
        action: name.to_owned(),
        attempt: 1,
        body: json(&Undo { action, input, output }),
        ..of.clone()
    }
}

/// Has a command served, to the end of its call where it has one outside the database, and reads
/// the reply.
///
/// # Panics
/// When there is none: the transaction is in doubt, or somebody else is at work on the command.
pub async fn serve(service: &Service, command: &Command) -> ReplyBody {
    match service.handle(command).await {
        Answer::Intent(intent) => read(&service.call(intent).await),
        answer => read(&answer),
    }
}

/// Runs a statement on the participant's database, in a transaction of its own; what it returned.
/// Names are unqualified, as in a handler.
///
/// # Panics
/// When the database refuses it.
pub async fn run(service: &Service, sql: &'static str, args: &[&dyn Parameter]) -> Vec<Row> {
    let run = transact(service, async |tx| {
        let rows = tx.fetch_all(sql, args).await;
        let done = rows.map_err(|error| sort(error.into()))?;
        Ok(Ended { done, durable: true })
    });
    run.await.map_err(Trouble::error).expect("the database does what a test asks of it")
}

/// What an answer says.
///
/// # Panics
/// When it says nothing yet.
#[must_use]
pub fn read(answer: &Answer) -> ReplyBody {
    match answer {
        Answer::Reply(body) | Answer::Contradicted(body) | Answer::Unavailable(body) => {
            serde_json::from_slice(body).expect("the SDK writes replies")
        }
        Answer::InDoubt => panic!("the transaction is in doubt"),
        Answer::Intent(_) => panic!("the call has not been made yet"),
        Answer::Nothing => panic!("somebody else answers"),
    }
}

/// A reply in short: the outcome, and the code where there is one.
#[must_use]
pub fn brief(reply: &ReplyBody) -> (Outcome, &str) {
    (reply.outcome, reply.error.as_ref().map_or("", |fault| fault.code.as_str()))
}

fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).expect("a test's input becomes JSON").into()
}
