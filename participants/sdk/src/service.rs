//! A participant with its database: takes commands one by one and answers them. It knows no bus.

use bytes::Bytes;
use saga_protocol::{BodyHash, Command, Knowledge, ParticipantName, Phase, ReplyBody, StepKind};
use serde::Deserialize;

use crate::{
    Participant,
    attempt::{Done, Trouble, attempt, failed, rejected},
    barrier::Question,
    codes,
    database::{Database, Use},
    participant::Handlers,
};

/// Attempts of one command within one delivery. Deadlocks and serialization failures give way at
/// the second or third; past this it is better to let the orchestrator wait.
const ATTEMPTS_MAX: u32 = 5;

/// A participant that is ready to serve.
pub struct Service {
    pub(crate) name: ParticipantName,
    pub(crate) handlers: Handlers,
    pub(crate) database: Database,
}

/// What becomes of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The body of the reply. What it says is durable.
    Reply(Bytes),
    /// The body of the reply, which is `failed`: the command contradicts an earlier one of its
    /// identity. It is answered, and then goes to the dead letters, for somebody to see.
    Contradicted(Bytes),
    /// The body of the reply, which is `failed`: the database does not answer. Take no more
    /// commands until it does.
    Unavailable(Bytes),
    /// Nobody knows whether the transaction was committed. No reply: the command must be delivered
    /// again.
    InDoubt,
}

/// Of a compensation's body, what the barrier must know.
#[derive(Deserialize)]
struct Known {
    action: Knowledge,
}

impl Service {
    pub(crate) async fn connect(
        participant: Participant,
        database_url: &str,
        wanted: Use,
    ) -> anyhow::Result<Self> {
        let Participant { name, handlers, schema } = participant;
        let database = Database::open(&name, database_url, wanted)?;
        database.prepare(&schema).await?;
        Ok(Self { name, handlers, database })
    }

    /// Serves a command: does it, or says why not. Run to its end, not cancelled, by whoever calls.
    pub async fn handle(&self, command: &Command) -> Answer {
        let question = match question(command) {
            Ok(question) => question,
            Err(error) => {
                let message = format!("the body of a compensation is not valid: {error}");
                return reply(&failed(codes::BAD_INPUT, message));
            }
        };
        let mut refusal = None;
        let mut conflict = String::new();
        for _ in 0..ATTEMPTS_MAX {
            match attempt(self, command, question, refusal.as_ref()).await {
                Ok(Done::Reply(body)) => return reply(&body),
                Ok(Done::Repeat(bytes)) => return Answer::Reply(bytes),
                Ok(Done::Contradicted(body)) => return Answer::Contradicted(body.to_bytes()),
                // The next attempt stores it, unless a copy has settled the command meanwhile.
                Ok(Done::Refused(said)) if may_refuse(command) => refusal = Some(said),
                Ok(Done::Refused(said)) => return reply(&rejected(said)),
                Err(Trouble::Conflict(error)) => conflict = format!("{error:#}"),
                Err(trouble) => return give_up(command, trouble),
            }
        }
        reply(&failed(codes::CONFLICT, conflict))
    }

    /// Waits until the database answers.
    pub(crate) async fn recovered(&self) {
        self.database.recovered().await;
    }

    /// The handlers of a phase, to be listed.
    pub(crate) fn known(&self, phase: Phase) -> String {
        let names = self.handlers.keys().filter(|(of, _)| *of == phase);
        names.map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}

fn question(command: &Command) -> Result<Question, serde_json::Error> {
    let body = BodyHash::of(&command.body);
    match command.phase {
        Phase::Action => Ok(Question::Action { body }),
        Phase::Compensation => {
            let Known { action } = serde_json::from_slice(&command.body)?;
            Ok(Question::Compensation { body, action })
        }
        Phase::Query => Ok(Question::Query),
    }
}

/// Whether a refusal is final. Elsewhere it means "a human, now", and is not stored.
fn may_refuse(command: &Command) -> bool {
    let kind = matches!(command.kind, StepKind::Compensatable | StepKind::Pivot);
    kind && command.phase == Phase::Action
}

fn reply(body: &ReplyBody) -> Answer {
    Answer::Reply(body.to_bytes())
}

fn give_up(command: &Command, trouble: Trouble) -> Answer {
    let (code, error) = match trouble {
        Trouble::Unavailable(error) => (codes::DATABASE_UNAVAILABLE, error),
        Trouble::Conflict(error) => (codes::CONFLICT, error),
        Trouble::Failed(code, error) => (code, error),
        Trouble::InDoubt(error) => {
            tracing::warn!(
                saga.id = %command.saga_id,
                step.name = %command.step,
                error = format!("{error:#}"),
                "the connection broke while committing; the command is taken again"
            );
            return Answer::InDoubt;
        }
    };
    let message = format!("{error:#}");
    tracing::warn!(
        saga.id = %command.saga_id,
        step.name = %command.step,
        command.phase = %command.phase,
        command.attempt = command.attempt,
        code,
        error = message,
        "the command failed"
    );
    let body = failed(code, message).to_bytes();
    if code == codes::DATABASE_UNAVAILABLE {
        Answer::Unavailable(body)
    } else {
        Answer::Reply(body)
    }
}
