//! The due loop, the one way back: it looks at sagas whose `wake_at` has passed, decides what is
//! due, and sends again what is unanswered.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use saga_core::saga::{Event, Look, Outstanding};
use saga_protocol::{ParticipantName, SagaId, Timestamp, limits, topology};
use saga_runtime::failpoint::{self, Point};
use saga_store::{Claim, Claimed, Error, Row, Sideline, Verdict};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Engine, Inner, Understood,
    commit::committed,
    fold::Folded,
    gate::{ASLEEP, Gate},
    snapshot::understand,
};

/// Between two polls that found less than a batch: what recovery takes longer than the grace.
const POLL_EVERY: Duration = Duration::from_millis(500);
/// Before the next poll where the database could not be asked.
const TRY_AGAIN: Duration = Duration::from_secs(2);
/// While messages wait in a participant's queue, younger attempts are not sent again: it is slow,
/// not deaf.
const BACKLOG_PATIENCE: Duration = Duration::from_secs(60);
/// A look at a saga that needs none: far away, in case something is wrong with it.
const REST: Duration = Duration::from_secs(300);
/// The first time a saga is looked away from after a failed look; it doubles.
const SIDELINE_MIN: Duration = Duration::from_secs(1);
/// Failed looks at one saga before it is set stuck.
const FAILURES_MAX: u32 = 3;
/// Sagas whose failures are counted. Past it counting begins anew, which only delays that they are
/// set stuck.
const COUNTED_MAX: usize = 10_000;

/// What one batch of looks leads to.
#[derive(Default)]
struct Looks {
    claimed: Vec<SagaId>,
    moved: Vec<Folded>,
    unanswered: Vec<Outstanding>,
    /// Sagas that were not looked at because the version they follow, which is given, is not known
    /// here.
    unknown: BTreeMap<SagaId, String>,
    /// Sagas that could not be looked at, and why.
    failed: Vec<(SagaId, String)>,
    now: Option<Timestamp>,
}

/// What the loop remembers from batch to batch.
struct Remembered {
    /// How many to claim: fewer after a refusal, down to the one saga that causes it.
    limit: usize,
    failures: HashMap<SagaId, u32>,
}

impl Engine {
    /// Looks until `stop`.
    pub(crate) async fn run_due(self, stop: CancellationToken) {
        let mut gate = Gate::new(self.0.bus.health());
        let mut known = Remembered { limit: limits::BATCH_MAX, failures: HashMap::new() };
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = gate.opened(&self) => {}
            }
            let pause = self.look(&mut known).await;
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// One batch of looks. Answers with the pause before the next.
    async fn look(&self, known: &mut Remembered) -> Duration {
        let mut looks = Looks::default();
        let opened = Instant::now();
        let mut decide = |claimed: Claimed| {
            self.0.source.set(claimed.now);
            if opened.elapsed() >= ASLEEP {
                // Stopped since the gate was open: it is asked anew, and sees it too.
                return Verdict::default();
            }
            let verdict = looks.take(claimed, &self.0);
            if !looks.moved.is_empty() {
                failpoint::pass(Point::DueDeciding);
            }
            verdict
        };
        let limit = u32::try_from(known.limit).unwrap_or(u32::MAX);
        let looked = self.0.store.transact(Claim::Due(limit), &mut decide).await;
        let is_moving = !looks.moved.is_empty();
        match looked
            .and_then(|()| if is_moving { committed(Point::DueAfterCommit) } else { Ok(()) })
        {
            Ok(()) => {}
            Err(Error::Permanent(why)) => return self.refused(looks, known, why).await,
            // Deciding again is right in each case: what had been committed is not due any more.
            Err(error @ (Error::Transient(_) | Error::Unknown(_) | Error::Conflict(_))) => {
                tracing::warn!(error = %error, "timers wait for the database");
                return TRY_AGAIN;
            }
        }
        let is_full = looks.claimed.len() >= known.limit;
        // An empty batch says nothing: another process may hold the culprit just now.
        if !looks.claimed.is_empty() {
            known.limit = (known.limit * 2).min(limits::BATCH_MAX);
        }
        self.carry_out(looks, known).await;
        if is_full { Duration::ZERO } else { POLL_EVERY }
    }

    async fn carry_out(&self, looks: Looks, known: &mut Remembered) {
        let Looks { moved, unanswered, unknown, mut failed, now, .. } = looks;
        match self.learn(unknown.values().cloned().collect()).await {
            // Those that are known now are due still: they are looked at next.
            Ok(()) => failed.extend(unknown.into_iter().filter_map(|(id, hash)| {
                let is_unknown = self.0.definitions.version(&hash).is_none();
                is_unknown.then(|| (id, format!("definition `{hash}` is not known")))
            })),
            Err(error) => tracing::warn!(error = %error, "definitions could not be learned"),
        }
        for (id, reason) in failed {
            self.sideline(id, reason, known).await;
        }
        self.committed(moved).await;
        if let Some(now) = now {
            self.send_again(unanswered, now).await;
        }
    }

    /// The store does not take what was decided: fewer at a time, until the culprit is alone.
    async fn refused(&self, looks: Looks, known: &mut Remembered, why: String) -> Duration {
        match looks.claimed[..] {
            [culprit] => self.sideline(culprit, why, known).await,
            _ => known.limit = (looks.claimed.len() / 2).max(1),
        }
        POLL_EVERY
    }

    /// Looks away from a saga for a while, and calls a human when that does not help.
    async fn sideline(&self, id: SagaId, reason: String, known: &mut Remembered) {
        if known.failures.len() >= COUNTED_MAX {
            known.failures.clear();
        }
        let failures = known.failures.entry(id).or_default();
        *failures += 1;
        let until = (*failures < FAILURES_MAX).then(|| SIDELINE_MIN * 2_u32.pow(*failures - 1));
        if until.is_none() {
            known.failures.remove(&id);
            tracing::error!(saga.id = %id, reason, "saga is stuck: it cannot be looked at");
        } else {
            tracing::warn!(saga.id = %id, reason, "a look failed");
        }
        self.0.metrics.sidelined(until.is_none());
        if let Err(error) = self.0.store.sideline(&Sideline { id, until, reason }).await {
            tracing::warn!(saga.id = %id, error = %error, "a saga could not be set aside");
        }
    }

    /// Sends the same bytes again: not counted, not journaled.
    async fn send_again(&self, unanswered: Vec<Outstanding>, now: Timestamp) {
        let mut by_participant: BTreeMap<ParticipantName, Vec<Outstanding>> = BTreeMap::new();
        for outstanding in unanswered {
            let name = outstanding.command.participant.clone();
            by_participant.entry(name).or_default().push(outstanding);
        }
        let mut commands = Vec::new();
        for (participant, mut unanswered) in by_participant {
            let depth = self.0.bus.depth(&topology::command_queue(&participant)).await;
            if depth.is_some_and(|ready| ready > 0) {
                unanswered.retain(|one| now.since(one.since) >= BACKLOG_PATIENCE);
            }
            if !unanswered.is_empty() {
                let count = unanswered.len();
                tracing::info!(participant.name = %participant, count, "commands are sent again");
                self.0.metrics.sent_again(&participant, count);
            }
            commands.extend(unanswered.into_iter().map(|one| one.command));
        }
        if !commands.is_empty() {
            self.0.publisher.send(commands).await;
        }
    }
}

impl Looks {
    /// Looks at each claimed saga. Begins anew when called again after a rollback.
    fn take(&mut self, claimed: Claimed, engine: &Inner) -> Verdict {
        *self = Self { now: Some(claimed.now), ..Self::default() };
        let mut verdict = Verdict::default();
        for row in claimed.rows {
            self.claimed.push(row.id);
            self.look(row, claimed.now, engine, &mut verdict);
        }
        verdict
    }

    fn look(&mut self, row: Row, now: Timestamp, engine: &Inner, verdict: &mut Verdict) {
        let id = row.id;
        if engine.definitions.version(&row.definition_hash).is_none() {
            self.unknown.insert(id, row.definition_hash);
            return;
        }
        let look = match understand(&row, &engine.definitions) {
            Ok(Understood { definition, saga }) => saga.look(&definition, now),
            Err(reason) => return self.failed.push((id, reason)),
        };
        match look {
            Look::Due => {
                let folded = Folded::new(row, &[&Event::Due], engine, now);
                match (folded.update(), folded.not_understood()) {
                    (_, Some(reason)) => self.failed.push((id, reason.to_owned())),
                    (Some(update), None) => {
                        verdict.updates.push(update.clone());
                        self.moved.push(folded);
                    }
                    (None, None) => self.failed.push((id, "what is due changes nothing".into())),
                }
            }
            Look::Resend { commands, again_at } => {
                self.unanswered.extend(commands);
                verdict.wakes.push((id, again_at));
            }
            Look::Wait { until } => verdict.wakes.push((id, until)),
            Look::Rest => verdict.wakes.push((id, now.after(REST))),
        }
    }
}
