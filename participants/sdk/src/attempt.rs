//! One attempt to serve a command: one transaction, ended before this returns.

use std::{panic::AssertUnwindSafe, time::Duration};

use anyhow::anyhow;
use futures_util::FutureExt;
use saga_protocol::{Command, Fault, Json, Outcome, ReplyBody, limits};
use tokio::time::timeout;

use crate::{
    Context, Error, Refusal, Tx,
    barrier::{At, Question, Refused, State, Verdict, judge, postgres},
    codes,
    database::{self, Class},
    handler::Stop,
    service::Service,
};

/// How long a handler may take: well below RabbitMQ's half hour for an unacknowledged delivery, and
/// enough for a handler that calls somebody slow.
const HANDLER_MAX: Duration = Duration::from_secs(60);
/// Of a compensation that finds nothing to undo.
const NOTHING_TO_UNDO: &str = r#"{"nothing_to_undo":true}"#;

/// What an attempt came to.
pub(crate) enum Done {
    /// This is the answer.
    Reply(ReplyBody),
    /// This is the answer, as it was given before.
    Repeat(bytes::Bytes),
    /// This is the answer to a command that contradicts an earlier one.
    Contradicted(ReplyBody),
    /// The handler said no; its work is rolled back, and nothing is stored yet.
    Refused(Refusal),
}

/// Why an attempt came to nothing. Nothing is durable, except perhaps where it is in doubt.
pub(crate) enum Trouble {
    /// Another transaction was in the way: the next attempt may do.
    Conflict(anyhow::Error),
    /// The database does not answer.
    Unavailable(anyhow::Error),
    /// The connection broke while committing.
    InDoubt(anyhow::Error),
    /// Anything else: this is why, by code.
    Failed(&'static str, anyhow::Error),
}

/// Serves the command. `refusal` is what its handler said in an earlier attempt, to be stored now.
pub(crate) async fn attempt(
    service: &Service,
    command: &Command,
    question: Question,
    refusal: Option<&Refusal>,
) -> Result<Done, Trouble> {
    // Never cancelled while it begins: a timeout here could leave a transaction open on a pooled
    // connection.
    let mut tx = service.database.begin().await.map_err(|error| sort(error.into()))?;
    let work = work(service, &mut tx, command, question, refusal).await;
    match work {
        Ok(Work { done, durable: true }) => commit(tx, done).await,
        Ok(Work { done, durable: false }) => {
            end(tx).await;
            Ok(done)
        }
        Err(trouble) => {
            end(tx).await;
            Err(trouble)
        }
    }
}

/// What a transaction came to, and whether it is to be kept.
struct Work {
    done: Done,
    durable: bool,
}

async fn work(
    service: &Service,
    tx: &mut Tx,
    command: &Command,
    question: Question,
    refusal: Option<&Refusal>,
) -> Result<Work, Trouble> {
    let verdict = verdict(tx, command, question).await.map_err(sort)?;
    let durable = verdict == Verdict::LeaveTombstone;
    let done = match verdict {
        Verdict::Work => return effect(service, tx, command, refusal).await,
        Verdict::Repeat(reply) => Done::Repeat(reply),
        Verdict::LeaveTombstone | Verdict::NothingToUndo => Done::Reply(nothing_to_undo()),
        Verdict::CompensatedAlready => Done::Reply(compensated_already()),
        Verdict::NoTrace => {
            let fault = Fault::new(codes::NOT_FOUND, "there is no trace of the action");
            Done::Reply(ReplyBody::not_completed(Outcome::Unknown, fault))
        }
        Verdict::Refuse(refused) => refuse(command, refused),
    };
    Ok(Work { done, durable })
}

async fn verdict(tx: &mut Tx, command: &Command, question: Question) -> anyhow::Result<Verdict> {
    let Tx::Postgres(transaction) = tx;
    let connection = &mut **transaction;
    let claim = match question {
        Question::Action { .. } => postgres::claim_action(connection, command).await?,
        Question::Compensation { .. } => {
            let reply = text(&nothing_to_undo());
            postgres::claim_compensation(connection, command, &reply).await?
        }
        Question::Query => {
            let found = postgres::find(connection, command, None).await?;
            // A query starts nothing, so no time matters to it.
            postgres::Claim { found, now: command.started }
        }
    };
    let at = At { now: claim.now, deadline: command.deadline, started: command.started };
    Ok(judge(&claim.found, question, at))
}

/// Runs the handler and stores its answer in the same transaction; or stores the refusal that it
/// gave before.
async fn effect(
    service: &Service,
    tx: &mut Tx,
    command: &Command,
    refusal: Option<&Refusal>,
) -> Result<Work, Trouble> {
    let (state, body) = match refusal {
        Some(refusal) => (State::Rejected, rejected(refusal.clone())),
        None => match call(service, tx, command).await? {
            Ok(output) => (State::Completed, ReplyBody::completed(Some(output))),
            Err(refusal) => return Ok(Work { done: Done::Refused(refusal), durable: false }),
        },
    };
    let Tx::Postgres(transaction) = tx;
    postgres::settle(transaction, command, state, &text(&body)).await.map_err(sort)?;
    Ok(Work { done: Done::Reply(body), durable: true })
}

/// Runs the handler, with everything that it may do to us kept off.
async fn call(
    service: &Service,
    tx: &mut Tx,
    command: &Command,
) -> Result<Result<Json, Refusal>, Trouble> {
    let key = (command.phase, command.action.as_str());
    let Some(handler) = service.handlers.get(&key) else {
        let known = service.known(command.phase);
        let message = format!("there is no {} `{}`, only: {known}", command.phase, command.action);
        return Err(Trouble::Failed(codes::UNKNOWN_ACTION, anyhow!(message)));
    };
    let context = Context::of(command);
    let guarded = AssertUnwindSafe(handler.dispatch(tx, &command.body, &context)).catch_unwind();
    let ended = timeout(HANDLER_MAX, guarded).await.map_err(|_| {
        let error = anyhow!("the handler took longer than {HANDLER_MAX:?}");
        Trouble::Failed(codes::HANDLER_TIMEOUT, error)
    })?;
    let result = ended.map_err(|panic| {
        Trouble::Failed(codes::HANDLER_PANICKED, anyhow!("the handler panicked: {}", said(&*panic)))
    })?;
    match result {
        Ok(output) if output.get().len() > limits::OUTPUT_BYTES_MAX => {
            let (bytes, max) = (output.get().len(), limits::OUTPUT_BYTES_MAX);
            let error = anyhow!("the output has {bytes} bytes, more than the limit of {max}");
            Err(Trouble::Failed(codes::BAD_OUTPUT, error))
        }
        Ok(output) => Ok(Ok(output)),
        Err(Stop::Handler(Error::Refused(refusal))) => Ok(Err(refusal)),
        Err(Stop::Handler(Error::Failed(error))) => Err(sort_with(codes::HANDLER_FAILED, error)),
        Err(Stop::BadInput(error)) => Err(Trouble::Failed(codes::BAD_INPUT, error.into())),
        Err(Stop::BadOutput(error)) => Err(Trouble::Failed(codes::BAD_OUTPUT, error.into())),
    }
}

async fn commit(tx: Tx, done: Done) -> Result<Done, Trouble> {
    match tx.commit().await {
        Ok(()) => Ok(done),
        // The database said no: it is rolled back.
        Err(error) if database::class(&error) == Class::Conflict => {
            Err(Trouble::Conflict(error.into()))
        }
        Err(error) if database::class(&error) == Class::Permanent => {
            Err(Trouble::Failed(codes::HANDLER_FAILED, error.into()))
        }
        Err(error) => Err(Trouble::InDoubt(error.into())),
    }
}

/// Rolls back. Where that fails the connection is broken, and the database rolls back by itself.
async fn end(tx: Tx) {
    if let Err(error) = tx.rollback().await {
        tracing::debug!(error = %error, "cannot roll back");
    }
}

fn sort(error: anyhow::Error) -> Trouble {
    sort_with(codes::BARRIER_FAILED, error)
}

fn sort_with(code: &'static str, error: anyhow::Error) -> Trouble {
    match database::class_of(&error) {
        Class::Conflict => Trouble::Conflict(error),
        Class::Unavailable => Trouble::Unavailable(error),
        Class::Permanent => Trouble::Failed(code, error),
    }
}

pub(crate) fn rejected(refusal: Refusal) -> ReplyBody {
    ReplyBody::not_completed(Outcome::Rejected, refusal.into())
}

pub(crate) fn failed(code: &'static str, message: String) -> ReplyBody {
    ReplyBody::not_completed(Outcome::Failed, Fault::new(code, message).bounded())
}

fn nothing_to_undo() -> ReplyBody {
    let output = serde_json::value::RawValue::from_string(NOTHING_TO_UNDO.to_owned());
    let output = output.expect("the constant is JSON");
    ReplyBody::completed(Some(output))
}

fn compensated_already() -> ReplyBody {
    let message = "its compensation came first: it never takes effect";
    rejected(Refusal::new(codes::COMPENSATED_ALREADY, message))
}

fn refuse(command: &Command, refused: Refused) -> Done {
    match refused {
        Refused::BodyMismatch => {
            let message = "a command of this identity came before with another body";
            log_refused(command, message);
            Done::Contradicted(failed(codes::BODY_MISMATCH, message.to_owned()))
        }
        Refused::EffectMissing => {
            let message = "there may be an effect that is not in the barrier: it was lost, or \
                purged; look at the records and resolve the step by hand";
            log_refused(command, message);
            Done::Reply(failed(codes::EFFECT_MISSING, message.to_owned()))
        }
        Refused::Expired => {
            let message = format!("no work starts after {}", command.deadline);
            Done::Reply(failed(codes::EXPIRED, message))
        }
    }
}

fn log_refused(command: &Command, message: &str) {
    tracing::error!(
        saga.id = %command.saga_id,
        step.name = %command.step,
        command.phase = %command.phase,
        "{message}"
    );
}

/// The reply as the barrier stores it.
fn text(body: &ReplyBody) -> String {
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}

/// What a panic said, where it said something.
fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("nothing")
}
