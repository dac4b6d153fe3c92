//! A saga on its way. Every transition is checked as it happens and taken through its stored form;
//! the journal is kept, and replays at the end.

use std::collections::BTreeMap;

use saga_core::{
    Birth, Definition, Saga, advance, replay,
    saga::{At, Effect, Event, Look, Rejection, Status, StepReport, StepStatus, Transition},
};
use saga_protocol::{Json, Phase, SagaId, StepKind, StepName, Timestamp};
use serde_json::value::RawValue;

use crate::reload::reload;

/// One saga and everything that happened to it.
pub(crate) struct History<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) saga: Saga,
    pub(crate) now: Timestamp,
    journal: Vec<Json>,
    /// The bytes of each command, and its latest attempt.
    frozen: BTreeMap<(StepName, Phase), (Vec<u8>, u32)>,
}

impl<'a> History<'a> {
    pub(crate) fn start(definition: &'a Definition, draw: u32) -> Self {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let first = Saga::start(definition, birth(), At { now, draw });
        assert_eq!(first.saga.version, 1);
        let saga = first.saga.clone();
        let mut history = Self { definition, saga, now, journal: vec![], frozen: BTreeMap::new() };
        history.take(first);
        history
    }

    /// Lets something happen; the rejection where that changes nothing.
    pub(crate) fn happen(&mut self, event: &Event, draw: u32) -> Result<(), Rejection> {
        let at = At { now: self.now, draw };
        let transition = advance(self.definition, &self.saga, event, at)?;
        assert_eq!(transition.saga.version, self.saga.version + 1, "by {event:?}");
        let is_legal = is_legal(self.saga.status(), transition.saga.status());
        assert!(is_legal, "{} to {}", self.saga.status(), transition.saga.status());
        if self.saga.is_ended() {
            assert!(transition.effects.is_empty(), "an end sends something");
        }
        self.take(transition);
        Ok(())
    }

    fn take(&mut self, transition: Transition) {
        let Transition { saga, entry, effects, .. } = transition;
        self.saga = reload(self.definition, &saga).unwrap();
        self.journal.push(entry);
        self.check_steps();
        self.check_sends(&effects);
        self.check_wake();
    }

    /// The status of the saga and of each step fit together, and so do those of steps.
    fn check_steps(&self) {
        let steps = self.saga.steps(self.definition);
        let is_stuck = |step: &StepReport<'_>| {
            matches!(step.status, StepStatus::Failed | StepStatus::CompensationFailed)
        };
        let is_done = |status| matches!(status, StepStatus::Completed | StepStatus::Skipped);
        let status = self.saga.status();
        match status {
            Status::Running | Status::Compensating => assert!(!steps.iter().any(is_stuck)),
            Status::Stuck => assert!(steps.iter().any(is_stuck)),
            Status::Completed => assert!(steps.iter().all(|step| is_done(step.status))),
            Status::Compensated | Status::PartlyCompensated => {
                assert!(steps.iter().all(|step| is_settled_backwards(step.status)));
            }
            Status::Abandoned => {}
        }
        for (plan, step) in self.definition.steps.iter().zip(&steps) {
            let is_begun = step.status != StepStatus::Pending;
            let is_forward = matches!(status, Status::Running | Status::Completed);
            if is_begun && is_forward {
                let all_done = plan.needs.iter().all(|&need| is_done(steps[need].status));
                assert!(all_done, "`{}` began too early", step.name);
            }
            if step.compensation.is_some() {
                self.check_order_back(step.name, &steps);
            }
            let is_pivot_sent = is_begun && step.status != StepStatus::Rejected;
            if step.kind == StepKind::Pivot && is_pivot_sent {
                let any_back = steps.iter().any(|step| step.compensation.is_some());
                assert!(!any_back, "something is undone after the pivot");
            }
        }
    }

    /// Whatever runs after a step that is undone has nothing left to undo.
    fn check_order_back(&self, name: &StepName, steps: &[StepReport<'_>]) {
        let step = self.definition.step(name).unwrap();
        let mut open = self.definition.steps[step].dependents.clone();
        while let Some(later) = open.pop() {
            let status = steps[later].status;
            assert!(is_settled_backwards(status), "`{name}` is undone, and {later} is {status}");
            open.extend(&self.definition.steps[later].dependents);
        }
    }

    /// Attempts follow each other, all with the bytes of the first.
    fn check_sends(&mut self, effects: &[Effect]) {
        assert!(self.saga.paused_at.is_none() || effects.is_empty(), "a pause sends");
        for Effect::Send(command) in effects {
            let body = command.body.to_vec();
            let identity = (command.step.clone(), command.phase);
            if command.phase == Phase::Query {
                let action = &self.frozen[&(command.step.clone(), Phase::Action)];
                assert_eq!(*action, (body, command.attempt));
                continue;
            }
            let (frozen, attempt) =
                self.frozen.entry(identity).or_insert_with(|| (body.clone(), 0));
            assert!(*frozen == body, "{} {} has other bytes", command.phase, command.step);
            *attempt += 1;
            assert_eq!(*attempt, command.attempt, "{} {}", command.phase, command.step);
        }
        for sent in self.saga.commands(self.definition) {
            let again = (sent.command.body.to_vec(), sent.command.attempt);
            assert_eq!(self.frozen[&(sent.command.step, sent.command.phase)], again);
        }
    }

    /// Whoever can move by himself is looked at, and nobody else.
    fn check_wake(&self) {
        let (saga, now) = (&self.saga, self.now);
        let wake_at = saga.wake_at(now);
        let is_moving = matches!(saga.status(), Status::Running | Status::Compensating);
        if saga.paused_at.is_some() || saga.is_ended() {
            assert_eq!(wake_at, None);
        } else if is_moving || !saga.commands(self.definition).is_empty() {
            assert!(wake_at.is_some(), "nobody looks");
        }
        assert!(wake_at <= saga.next_due(), "the look comes after what is due");
        match saga.look(self.definition, now) {
            Look::Due => assert!(saga.next_due() <= Some(now)),
            Look::Resend { again_at: until, .. } | Look::Wait { until } => {
                assert!(until > now && Some(until) == wake_at);
            }
            Look::Rest => assert_eq!(wake_at, None),
        }
    }

    /// The journal leads to the same saga, byte for byte.
    pub(crate) fn check_replay(&self) {
        let replayed = replay(self.definition, birth(), &self.journal).unwrap();
        let [state, again] = [&self.saga, &replayed]
            .map(|saga| (saga.state_json(self.definition).get().to_owned(), saga.paused_at));
        assert_eq!(state, again);
    }
}

fn birth() -> Birth {
    let input = r#"{"yes":true,"no":false,"n":1}"#.to_owned();
    let id = SagaId(uuid::Uuid::from_u128(7));
    Birth { id, key: Some("k-1".to_owned()), input: RawValue::from_string(input).unwrap() }
}

fn is_settled_backwards(status: StepStatus) -> bool {
    matches!(
        status,
        StepStatus::Pending | StepStatus::Skipped | StepStatus::Rejected | StepStatus::Compensated
    )
}

/// Nothing leaves an end, and what turned back does not go forward.
fn is_legal(from: Status, to: Status) -> bool {
    match from {
        Status::Running => to != Status::PartlyCompensated,
        Status::Compensating => !matches!(to, Status::Running | Status::Completed),
        Status::Stuck => true,
        Status::Completed | Status::Compensated | Status::PartlyCompensated | Status::Abandoned => {
            to == from
        }
    }
}
