//! Back-pressure: nothing is started that needs a participant which has more to do than it gets to
//! soon. What is accepted then ends in a time that is bounded, and what is refused costs nobody
//! anything. Sagas that do not need that participant are started as ever.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use saga_core::Definition;
use saga_protocol::{ParticipantName, topology};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::{Engine, metrics::Refusal};

/// Commands that may wait in a participant's queue where nobody says: minutes of work for a slow
/// one, seconds for a fast one.
pub const BACKLOG_MAX: u64 = 10_000;
/// Between two looks at the queues. What is started in between may go beyond the limit.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A participant has too much to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} commands wait for participant `{participant}`, more than {max}")]
pub struct Overloaded {
    /// Which.
    pub participant: ParticipantName,
    /// Commands in its queue that nobody has taken.
    pub waiting: u64,
    /// How many may.
    pub max: u64,
}

/// What waits for participants, as last seen.
pub(crate) struct Pressure {
    max: AtomicU64,
    /// Those for whom more waits than may.
    overloaded: RwLock<HashMap<ParticipantName, u64>>,
}

impl Default for Pressure {
    fn default() -> Self {
        Self { max: AtomicU64::new(BACKLOG_MAX), overloaded: RwLock::default() }
    }
}

impl Pressure {
    /// Whether a saga of this definition would wait for somebody who has too much to do.
    pub(crate) fn check(&self, definition: &Definition) -> Result<(), Overloaded> {
        let overloaded = self.overloaded.read().unwrap_or_else(PoisonError::into_inner);
        if overloaded.is_empty() {
            return Ok(());
        }
        let max = self.max.load(Ordering::Relaxed);
        let over = definition.participants().into_iter().find_map(|participant| {
            let waiting = *overloaded.get(&participant)?;
            Some(Overloaded { participant, waiting, max })
        });
        over.map_or(Ok(()), Err)
    }

    fn see(&self, participant: &ParticipantName, waiting: u64) {
        let is_over = waiting > self.max.load(Ordering::Relaxed);
        let mut overloaded = self.overloaded.write().unwrap_or_else(PoisonError::into_inner);
        let was_over = match is_over {
            true => overloaded.insert(participant.clone(), waiting).is_some(),
            false => overloaded.remove(participant).is_some(),
        };
        match (was_over, is_over) {
            (false, true) => tracing::warn!(
                participant.name = %participant,
                commands.waiting = waiting,
                "too many commands wait for it: sagas that need it are not started until it has \
                 caught up; start more of it"
            ),
            (true, false) => tracing::info!(
                participant.name = %participant,
                commands.waiting = waiting,
                "it has caught up: sagas that need it are started again"
            ),
            _ => {}
        }
    }
}

impl Engine {
    /// Starts nothing while more commands than this wait for a participant that it needs;
    /// [`BACKLOG_MAX`] where nobody says.
    pub fn refuse_beyond(&self, backlog_max: u64) {
        self.0.pressure.max.store(backlog_max, Ordering::Relaxed);
    }

    /// Whether a saga of this definition is started now.
    pub(crate) fn check_pressure(&self, definition: &Definition) -> Result<(), Overloaded> {
        self.0.pressure.check(definition).inspect_err(|_| self.0.metrics.refused(Refusal::Backlog))
    }

    /// Looks at the queues of all participants, until `stop`.
    pub(crate) async fn run_pressure(self, stop: CancellationToken) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = looks.tick() => {}
            }
            for participant in self.0.definitions.participants() {
                // Of a queue that cannot be asked nothing is known, and nothing is held against it.
                let depth = self.0.bus.depth(&topology::command_queue(&participant)).await;
                let waiting = depth.unwrap_or(0);
                self.0.metrics.waiting(&participant, waiting);
                self.0.pressure.see(&participant, waiting);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(participant: &str) -> Definition {
        let text = format!(
            "saga: a\nsteps:\n  - {{ name: only, participant: {participant}, action: act, \
             compensation: none }}\n"
        );
        Definition::parse("a.yaml", &text).unwrap()
    }

    #[test]
    fn only_who_needs_the_slow_one_waits_until_it_has_caught_up() {
        let pressure = Pressure::default();
        let (slow, name) = (definition("slow"), "slow".parse().unwrap());
        pressure.see(&name, BACKLOG_MAX);
        assert_eq!(pressure.check(&slow), Ok(()));
        pressure.see(&name, BACKLOG_MAX + 1);
        let over = pressure.check(&slow).unwrap_err();
        assert_eq!((&over.participant, over.waiting), (&name, BACKLOG_MAX + 1));
        assert_eq!(pressure.check(&definition("fast")), Ok(()));
        pressure.see(&name, 3);
        assert_eq!(pressure.check(&slow), Ok(()));
    }
}
