//! A participant with its database: takes commands one by one and answers them. It knows no bus.

use std::time::Duration;

use anyhow::anyhow;
use bytes::Bytes;
use saga_protocol::{BodyHash, Command, Knowledge, ParticipantName, Phase, ReplyBody, StepKind};
use saga_runtime::failpoint::{Point, reach};
use serde::Deserialize;
use tokio::sync::Semaphore;

use crate::{
    Doubt, Participant,
    attempt::{Done, Trouble, attempt},
    barrier::Question,
    bodies::{failed, rejected, unknown},
    codes,
    database::{Database, Use, WAIT_MAX},
    handler::{Registered, Work},
    intent::Intent,
    participant::{Handlers, WITHIN},
};

/// Attempts of one command within one delivery. Deadlocks and serialization failures give way at
/// the second or third; past this it is better to let the orchestrator wait.
const ATTEMPTS_MAX: u32 = 5;
/// Results of calls stored at once. Each takes a connection that no command is waiting for.
const RESULTS_AT_ONCE: u32 = 4;
/// What looks for lapsed intents takes a connection.
const LOOKERS: u32 = 1;
/// RabbitMQ's default for a delivery that nobody acknowledges: it ends the channel then.
const BROKER_PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Every attempt of a delivery together stays well below it.
const _: () = {
    let attempt = WAIT_MAX.as_secs() * 2 + WITHIN.as_secs();
    assert!(attempt * (ATTEMPTS_MAX as u64) < BROKER_PATIENCE.as_secs());
};

/// A participant that is ready to serve.
pub struct Service {
    pub(crate) name: ParticipantName,
    pub(crate) handlers: Handlers,
    pub(crate) database: Database,
    /// Taken by whoever stores the result of a call.
    pub(crate) results: Semaphore,
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
    /// An intent is durable. The command is acknowledged, without an answer; [`Service::call`] does
    /// it and gives the answer.
    Intent(Intent),
    /// Acknowledge the command and answer nothing: somebody is at work on it, and answers it.
    Nothing,
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
        let Participant { name, handlers, schema, .. } = participant;
        let mut connections = wanted.connections;
        if handlers.values().any(is_outside) {
            connections += RESULTS_AT_ONCE + LOOKERS;
        }
        let database = Database::open(&name, database_url, Use { connections, ..wanted })?;
        database.prepare(&schema).await?;
        let results = Semaphore::new(RESULTS_AT_ONCE as usize);
        Ok(Self { name, handlers, database, results })
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
                Ok(Done::Intended(intent)) => return intended(intent),
                Ok(Done::InProgress) => return Answer::Nothing,
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

    /// Whether anything of it works outside the database.
    pub(crate) fn works_outside(&self) -> bool {
        self.handlers.values().any(is_outside)
    }

    /// The handler of a command.
    pub(crate) fn handler(&self, command: &Command) -> Result<&Registered, Trouble> {
        let asked =
            |(phase, name): &(Phase, &str)| (*phase, *name) == (command.phase, &command.action);
        let found = self.handlers.iter().find(|(key, _)| asked(key));
        found.map(|(_, registered)| registered).ok_or_else(|| {
            let names = self.handlers.keys().filter(|(phase, _)| *phase == command.phase);
            let known = names.map(|(_, name)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let Command { phase, action, .. } = command;
            let error = anyhow!("there is no {phase} `{action}`, only: {known}");
            Trouble::Failed(codes::UNKNOWN_ACTION, error)
        })
    }

    /// How long a call for this command may take.
    pub(crate) fn within(&self, command: &Command) -> Duration {
        self.handler(command).map_or(WITHIN, |registered| registered.within)
    }
}

fn is_outside(registered: &Registered) -> bool {
    matches!(registered.work, Work::Outside(_))
}

fn intended(intent: Intent) -> Answer {
    match reach(Point::IntentAfterCommit) {
        Ok(()) => Answer::Intent(intent),
        // As if whoever began had died: the next to come takes it up.
        Err(_) => Answer::Nothing,
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
pub(crate) fn may_refuse(command: &Command) -> bool {
    let kind = matches!(command.kind, StepKind::Compensatable | StepKind::Pivot);
    kind && command.phase == Phase::Action
}

fn reply(body: &ReplyBody) -> Answer {
    Answer::Reply(body.to_bytes())
}

fn give_up(command: &Command, trouble: Trouble) -> Answer {
    if let Trouble::InDoubt(error) = &trouble {
        tracing::warn!(
            saga.id = %command.saga_id,
            step.name = %command.step,
            error = format!("{error:#}"),
            "the connection broke while committing; the command is taken again"
        );
        return Answer::InDoubt;
    }
    let is_unavailable = matches!(trouble, Trouble::Unavailable(_));
    let body = told(command, trouble).to_bytes();
    if is_unavailable { Answer::Unavailable(body) } else { Answer::Reply(body) }
}

/// Logs that a command came to nothing, and what to answer it.
pub(crate) fn told(command: &Command, trouble: Trouble) -> ReplyBody {
    let body = match trouble {
        Trouble::Unavailable(error) | Trouble::InDoubt(error) => {
            failed(codes::DATABASE_UNAVAILABLE, format!("{error:#}"))
        }
        Trouble::Conflict(error) => failed(codes::CONFLICT, format!("{error:#}")),
        Trouble::Failed(code, error) => failed(code, format!("{error:#}")),
        Trouble::Doubtful(doubt) => unknown(doubt),
    };
    let fault = body.error.as_ref();
    tracing::warn!(
        saga.id = %command.saga_id,
        step.name = %command.step,
        command.phase = %command.phase,
        command.attempt = command.attempt,
        outcome = %body.outcome,
        code = fault.map(|fault| &*fault.code),
        error = fault.map(|fault| &*fault.message),
        "the command failed"
    );
    body
}

impl Trouble {
    /// What happened, for the log.
    pub(crate) fn error(self) -> anyhow::Error {
        match self {
            Self::Unavailable(error)
            | Self::InDoubt(error)
            | Self::Conflict(error)
            | Self::Failed(_, error) => error,
            Self::Doubtful(Doubt { code, message }) => anyhow!("{code}: {message}"),
        }
    }
}
