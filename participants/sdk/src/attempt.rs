//! One attempt to serve a command: one transaction, ended before this returns.

use saga_protocol::{Command, ReplyBody};
use saga_runtime::failpoint::{Point, reach};
use tokio::time::Instant;

use crate::{
    Context, Doubt, Refusal, Tx,
    barrier::{
        At, Question, Refused, Verdict, intents, judge,
        table::{self, Settled},
    },
    bodies::{compensated_already, failed, nothing_to_undo, rejected, text, unknown},
    codes,
    database::{self, Class},
    handler::Work,
    intent::{Intent, Written, lease},
    invoke::{self, Said},
    service::Service,
};

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
    /// An intent is stored; the handler is to be called outside.
    Intended(Intent),
    /// Somebody is at work on this very command, and will answer it.
    InProgress,
}

/// Why an attempt came to nothing. Nothing of it is durable, except perhaps where it is in doubt.
pub(crate) enum Trouble {
    /// Another transaction was in the way: the next attempt may do.
    Conflict(anyhow::Error),
    /// The database does not answer.
    Unavailable(anyhow::Error),
    /// The connection broke while committing.
    InDoubt(anyhow::Error),
    /// The handler cannot tell.
    Doubtful(Doubt),
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
    transact(service, async |tx| work(service, tx, command, question, refusal).await).await
}

/// Does something in a transaction, which is committed where there is something to keep.
pub(crate) async fn transact<T>(
    service: &Service,
    work: impl AsyncFnOnce(&mut Tx) -> Result<Ended<T>, Trouble>,
) -> Result<T, Trouble> {
    let mut tx = service.database.begin().await.map_err(|error| sort(error.into()))?;
    match work(&mut tx).await {
        Ok(Ended { done, durable: true }) => commit(tx, done).await,
        Ok(Ended { done, durable: false }) => {
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
pub(crate) struct Ended<T> {
    pub(crate) done: T,
    pub(crate) durable: bool,
}

async fn work(
    service: &Service,
    tx: &mut Tx,
    command: &Command,
    question: Question,
    refusal: Option<&Refusal>,
) -> Result<Ended<Done>, Trouble> {
    // Before the lease begins, by the database's clock: so the call ends before the lease does.
    let began = Instant::now();
    let verdict = verdict(tx, command, question).await.map_err(sort)?;
    let durable = verdict == Verdict::LeaveTombstone;
    let done = match verdict {
        Verdict::Work => return effect(service, tx, command, refusal, began).await,
        Verdict::WorkAndBury => {
            let reply = text(&compensated_already());
            intents::bury(tx, command, &reply).await.map_err(sort)?;
            return effect(service, tx, command, refusal, began).await;
        }
        Verdict::InProgress => Done::InProgress,
        Verdict::Repeat(reply) => Done::Repeat(reply),
        Verdict::LeaveTombstone | Verdict::NothingToUndo => Done::Reply(nothing_to_undo()),
        Verdict::CompensatedAlready => Done::Reply(compensated_already()),
        Verdict::NoTrace => {
            let doubt = Doubt::new(codes::NOT_FOUND, "there is no trace of the action");
            Done::Reply(unknown(doubt))
        }
        Verdict::Undecided => {
            let message = "the action was begun; its end is not known";
            Done::Reply(unknown(Doubt::new(codes::IN_PROGRESS, message)))
        }
        Verdict::Refuse(refused) => refuse(command, refused),
    };
    Ok(Ended { done, durable })
}

async fn verdict(tx: &mut Tx, command: &Command, question: Question) -> anyhow::Result<Verdict> {
    let claim = match question {
        Question::Action { .. } => table::claim_action(tx, command).await?,
        Question::Compensation { .. } => {
            let reply = text(&nothing_to_undo());
            table::claim_compensation(tx, command, &reply).await?
        }
        Question::Query => table::look(tx, command).await?,
    };
    let at = At { now: claim.now, deadline: command.deadline, started: command.started };
    Ok(judge(&claim.found, question, at))
}

/// Has the handler do its work in this transaction, or writes down that it will, outside.
async fn effect(
    service: &Service,
    tx: &mut Tx,
    command: &Command,
    refusal: Option<&Refusal>,
    began: Instant,
) -> Result<Ended<Done>, Trouble> {
    let registered = service.handler(command)?;
    match &registered.work {
        Work::Inside(handler) => {
            let context = Context::of(command);
            let said = match refusal {
                Some(refusal) => Err(refusal.clone()),
                None => {
                    let call = handler.dispatch(tx, &command.body, &context);
                    match invoke::run(call, registered.within).await? {
                        Err(said) => {
                            return Ok(Ended { done: Done::Refused(said), durable: false });
                        }
                        output => output,
                    }
                }
            };
            keep(tx, command, said).await
        }
        Work::Outside(handler) => {
            let bad = |error: anyhow::Error| Trouble::Failed(codes::BAD_INPUT, error);
            handler.check(&command.body).map_err(|error| bad(error.into()))?;
            let written = Written::of(command).map_err(bad)?;
            let lease = lease(registered.within);
            let until = intents::write(tx, command, &written.text(), lease).await;
            let until = until.map_err(sort)?;
            let intent = Intent { command: command.clone(), until, began };
            Ok(Ended { done: Done::Intended(intent), durable: true })
        }
    }
}

/// Stores what the handler said, in the transaction of its work; or, in one without, the refusal
/// that it gave before.
async fn keep(tx: &mut Tx, command: &Command, said: Said) -> Result<Ended<Done>, Trouble> {
    let (settled, body) = match said {
        Ok(output) => (Settled::Completed, ReplyBody::completed(Some(output))),
        Err(refusal) => (Settled::Rejected, rejected(refusal)),
    };
    table::settle(tx, command, settled, &text(&body)).await.map_err(sort)?;
    Ok(Ended { done: Done::Reply(body), durable: true })
}

async fn commit<T>(tx: Tx, done: T) -> Result<T, Trouble> {
    if let Err(injected) = reach(Point::ParticipantBeforeCommit) {
        end(tx).await;
        return Err(Trouble::Failed(codes::BARRIER_FAILED, injected.into()));
    }
    match tx.commit().await {
        Ok(()) => match reach(Point::ParticipantAfterCommit) {
            Ok(()) => Ok(done),
            Err(injected) => Err(Trouble::InDoubt(injected.into())),
        },
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

pub(crate) fn sort(error: anyhow::Error) -> Trouble {
    sort_with(codes::BARRIER_FAILED, error)
}

pub(crate) fn sort_with(code: &'static str, error: anyhow::Error) -> Trouble {
    match database::class_of(&error) {
        Class::Conflict => Trouble::Conflict(error),
        Class::Unavailable => Trouble::Unavailable(error),
        Class::Permanent => Trouble::Failed(code, error),
    }
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
        Refused::InProgress => {
            let message = "the action is being done; it can be undone once that has ended";
            Done::Reply(failed(codes::IN_PROGRESS, message.to_owned()))
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
