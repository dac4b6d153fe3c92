//! What is counted for one definition or one participant, with its labels made: counting an event
//! makes no text.

use std::sync::OnceLock;

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};
use saga_core::saga::Status;
use saga_protocol::{DefinitionName, Outcome, ParticipantName, Phase, topology};

use super::{
    families::{Families, name, word},
    words::{KINDS, Moves},
};

/// Statuses that nothing leaves.
const ENDS: [Status; 4] =
    [Status::Completed, Status::Compensated, Status::PartlyCompensated, Status::Abandoned];
/// The phases whose answers are timed.
const PHASES: [Phase; 2] = [Phase::Action, Phase::Compensation];
/// What an answer may say.
const OUTCOMES: [Outcome; 4] =
    [Outcome::Completed, Outcome::Rejected, Outcome::Failed, Outcome::Unknown];

/// What is counted for one definition.
pub(super) struct OfDefinition {
    pub(super) started: Counter,
    pub(super) overdue: Counter,
    pub(super) late_answers: Counter,
    pub(super) contradictions: Counter,
    transitions: [Counter; KINDS.len()],
    ends: [(Counter, Histogram); ENDS.len()],
}

impl OfDefinition {
    /// All of them shown from now on, also those that stay 0.
    pub(super) fn new(definition: &DefinitionName, families: &Families) -> Self {
        let definition = name("definition", definition.as_str());
        let one = [definition.clone()];
        let end = |status: Status| {
            let labels = [definition.clone(), word("status", status.as_str())];
            let count = families.ended.get_or_create_owned(&labels);
            (count, families.times.get_or_create_owned(&labels))
        };
        let transitions = |kind| {
            families.transitions.get_or_create_owned(&[definition.clone(), word("event", kind)])
        };
        Self {
            started: families.started.get_or_create_owned(&one),
            overdue: families.overdue.get_or_create_owned(&one),
            late_answers: families.late_answers.get_or_create_owned(&one),
            contradictions: families.contradictions.get_or_create_owned(&one),
            transitions: KINDS.map(transitions),
            ends: ENDS.map(end),
        }
    }

    /// Transitions are durable.
    pub(super) fn moved(&self, moves: Moves) {
        for (counter, count) in self.transitions.iter().zip(moves.0) {
            counter.inc_by(count);
        }
    }

    /// Where it is counted that a saga ended so; nothing for a status that is no end.
    pub(super) fn end(&self, status: Status) -> Option<&(Counter, Histogram)> {
        let place = ENDS.iter().position(|end| *end == status)?;
        self.ends.get(place)
    }
}

/// What is counted for one participant.
pub(super) struct OfParticipant {
    /// The queue of its commands.
    pub(super) queue: String,
    pub(super) resent: Counter,
    pub(super) restored: Counter,
    pub(super) waiting: Gauge,
    participant: ParticipantName,
    /// By phase and outcome. Shown once they are used: many never are.
    times: [[OnceLock<Histogram>; OUTCOMES.len()]; PHASES.len()],
}

impl OfParticipant {
    pub(super) fn new(participant: &ParticipantName, families: &Families) -> Self {
        let one = [name("participant", participant.as_str())];
        Self {
            queue: topology::command_queue(participant),
            resent: families.resent.get_or_create_owned(&one),
            restored: families.restored.get_or_create_owned(&one),
            waiting: families.waiting.get_or_create_owned(&one),
            participant: participant.clone(),
            times: Default::default(),
        }
    }

    /// Where the times of its answers are counted; nothing for a phase that is not timed.
    pub(super) fn times(
        &self,
        phase: Phase,
        outcome: Outcome,
        families: &Families,
    ) -> Option<&Histogram> {
        let phase_place = PHASES.iter().position(|known| *known == phase)?;
        let outcome_place = OUTCOMES.iter().position(|known| *known == outcome)?;
        let times = self.times.get(phase_place)?.get(outcome_place)?;
        Some(times.get_or_init(|| {
            families.step_times.get_or_create_owned(&[
                name("participant", self.participant.as_str()),
                word("phase", phase.as_str()),
                word("outcome", outcome.as_str()),
            ])
        }))
    }
}
