//! Work outside the participant's database: an intent is committed, then the call is made, then its
//! result is stored, then it is answered. Whatever dies in between, the next to come finds where it
//! stood, and begins again with the same idempotency key.

use std::time::Duration;

use anyhow::Context as _;
use saga_protocol::{
    Command, DefinitionName, ParticipantName, ReplyBody, StepKind, Timestamp, TraceContext,
};
use saga_runtime::{
    Delays,
    failpoint::{Point, reach},
};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::{
    Answer, Context, Tx,
    attempt::{Ended, Trouble, sort, transact},
    barrier::{
        intents::{self, Lapsed, Standing},
        table::Settled,
    },
    bodies::{rejected, text},
    codes,
    handler::Work,
    invoke::{self, Said},
    service::{Service, may_refuse, told},
};

/// How long a lease is longer than the call may take: for the statements before and after it.
const LEASE_MARGIN: Duration = Duration::from_secs(30);

/// A command whose work outside the database may begin: [`Service::call`] does it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The command.
    pub(crate) command: Command,
    /// Until when it is ours, by the database's clock.
    pub(crate) until: Timestamp,
    /// Our own clock before the lease began.
    pub(crate) began: Instant,
}

/// How long an intent is ours whose call may take so long.
pub(crate) fn lease(within: Duration) -> Duration {
    within + LEASE_MARGIN
}

/// A command as its intent keeps it; identity and participant are the row's.
#[derive(Serialize, Deserialize)]
pub(crate) struct Written {
    definition: DefinitionName,
    kind: StepKind,
    action: String,
    attempt: u32,
    started: Timestamp,
    deadline: Timestamp,
    trace: Option<TraceContext>,
    /// Text in text, so that its bytes stay what they are.
    body: String,
}

impl Written {
    pub(crate) fn of(command: &Command) -> anyhow::Result<Self> {
        let body = String::from_utf8(command.body.to_vec()).context("the body is not UTF-8")?;
        Ok(Self {
            definition: command.definition.clone(),
            kind: command.kind,
            action: command.action.clone(),
            attempt: command.attempt,
            started: command.started,
            deadline: command.deadline,
            trace: command.trace.clone(),
            body,
        })
    }

    pub(crate) fn text(&self) -> String {
        serde_json::to_string(self).expect("names, times and text always serialize")
    }

    fn command(self, participant: &ParticipantName, lapsed: Lapsed) -> Command {
        let Lapsed { saga_id, step, phase, command: _ } = lapsed;
        let Self { definition, kind, action, attempt, started, deadline, trace, body } = self;
        let (participant, body) = (participant.clone(), body.into());
        Command {
            saga_id,
            definition,
            step,
            phase,
            kind,
            participant,
            action,
            attempt,
            started,
            deadline,
            body,
            trace,
        }
    }
}

impl Service {
    /// Does what an intent announces, and stores what it came to. To be run to its end: where it is
    /// cancelled, the intent is taken up again once its lease has passed.
    pub async fn call(&self, intent: Intent) -> Answer {
        let said = self.outside(&intent).await;
        if let Err(trouble) = reach(Point::IntentAfterCall) {
            tracing::warn!(error = %trouble, "the result is not stored");
            return Answer::Nothing;
        }
        let command = &intent.command;
        let (settled, body) = match said {
            Ok(Ok(output)) => (Some(Settled::Completed), ReplyBody::completed(Some(output))),
            Ok(Err(refusal)) => {
                (may_refuse(command).then_some(Settled::Rejected), rejected(refusal))
            }
            Err(trouble) => (None, told(command, trouble)),
        };
        let answer = self.conclude(&intent, settled, &body).await;
        match reach(Point::IntentAfterResult) {
            Ok(()) => answer,
            Err(_) => Answer::Nothing,
        }
    }

    /// Takes up to `max` intents over whose lease has passed: whoever had them is gone, or will not
    /// end in time.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lapsed(&self, max: usize) -> anyhow::Result<Vec<Intent>> {
        let claim = async |tx: &mut Tx| self.claim(tx, max).await.map_err(sort);
        transact(self, claim).await.map_err(Trouble::error)
    }

    async fn claim(&self, tx: &mut Tx, max: usize) -> anyhow::Result<Ended<Vec<Intent>>> {
        let began = Instant::now();
        let all = intents::lapsed(tx, max).await?;
        let durable = !all.is_empty();
        let mut taken = Vec::new();
        for lapsed in all {
            let text = lapsed.command.clone();
            let written: Written = match serde_json::from_str(&text) {
                Ok(written) => written,
                Err(error) => {
                    tracing::error!(
                        saga.id = %lapsed.saga_id,
                        step.name = %lapsed.step,
                        error = %error,
                        "the command of an intent cannot be read; its next attempt brings it"
                    );
                    intents::give_up(tx, &lapsed).await?;
                    continue;
                }
            };
            let command = written.command(&self.name, lapsed);
            let within = self.within(&command);
            let until = intents::write(tx, &command, &text, lease(within)).await?;
            tracing::info!(
                saga.id = %command.saga_id,
                step.name = %command.step,
                command.phase = %command.phase,
                "nobody is at it any more; taking it up"
            );
            taken.push(Intent { command, until, began });
        }
        Ok(Ended { done: taken, durable })
    }

    /// Calls the handler, where it is sure to have ended before the lease does.
    async fn outside(&self, intent: &Intent) -> Result<Said, Trouble> {
        let Intent { command, began, .. } = intent;
        let registered = self.handler(command)?;
        let context = Context::of(command);
        let left = registered.within.saturating_sub(began.elapsed());
        match &registered.work {
            // Without a first poll, which a timeout of nothing would still allow.
            _ if left.is_zero() => {
                let error = anyhow::anyhow!("the time of the call had passed before it began");
                Err(Trouble::Failed(codes::HANDLER_TIMEOUT, error))
            }
            Work::Outside(handler) => {
                invoke::run(handler.dispatch(&command.body, &context), left).await
            }
            Work::Inside(_) => {
                let error = anyhow::anyhow!("the handler works inside the database now");
                Err(Trouble::Failed(codes::UNKNOWN_ACTION, error))
            }
        }
    }

    /// Stores what the call came to, however long the database is away, until the lease has passed
    /// and others begin again. Without something to settle the intent is given up.
    async fn conclude(
        &self,
        intent: &Intent,
        settled: Option<Settled>,
        body: &ReplyBody,
    ) -> Answer {
        let ends = intent.began + lease(self.within(&intent.command));
        let mut delays = Delays::new();
        loop {
            let slot = self.results.acquire().await;
            let stored = transact(self, async |tx| {
                let done = store(tx, intent, settled, body).await.map_err(sort)?;
                Ok(Ended { done, durable: true })
            });
            let trouble = match stored.await {
                Ok(Some(reply)) => return Answer::Reply(reply.into()),
                Ok(None) => return Answer::Nothing,
                Err(trouble) => trouble.error(),
            };
            drop(slot);
            tracing::warn!(
                saga.id = %intent.command.saga_id,
                step.name = %intent.command.step,
                error = format!("{trouble:#}"),
                "cannot store the result of a call"
            );
            if Instant::now() >= ends {
                return Answer::Nothing;
            }
            delays.wait().await;
        }
    }
}

/// Stores what a call came to, or gives its intent up. The reply, unless it is not ours to give.
async fn store(
    tx: &mut Tx,
    intent: &Intent,
    settled: Option<Settled>,
    body: &ReplyBody,
) -> anyhow::Result<Option<String>> {
    let Intent { command, until, .. } = intent;
    let reply = text(body);
    let Some(settled) = settled else {
        let ours = intents::release(tx, command, *until).await?;
        return Ok(ours.then_some(reply));
    };
    match intents::settle(tx, command, settled, &reply).await? {
        Standing::Stored => Ok(Some(reply)),
        Standing::Before(reply) => Ok(Some(reply)),
        Standing::Buried => {
            tracing::error!(
                saga.id = %command.saga_id,
                step.name = %command.step,
                command.phase = %command.phase,
                outcome = %body.outcome,
                "a call ended after its compensation had begun: look whether its effect is undone"
            );
            Ok(None)
        }
    }
}
