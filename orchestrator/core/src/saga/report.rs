//! What people see of a saga: its steps and why it is as it is, in the words of API and CLI.

use saga_protocol::{Fault, Json, ParticipantName, StepKind, StepName, Timestamp};

use super::{Cause, Saga, StepStatus, model::Course};
use crate::definition::{Definition, Kind};

/// One step, as shown.
#[derive(Clone, Debug)]
pub struct StepReport<'a> {
    /// Its name.
    pub name: &'a StepName,
    /// Who performs it.
    pub participant: &'a ParticipantName,
    /// What its action is called.
    pub action: &'a str,
    /// What it is to its saga.
    pub kind: StepKind,
    /// The steps it needs.
    pub needs: Vec<&'a StepName>,
    /// How it is.
    pub status: StepStatus,
    /// Attempts of its action.
    pub attempts: u32,
    /// What its action answered.
    pub output: Option<&'a Json>,
    /// What went wrong last: of the compensation where it has one, else of the action.
    pub error: Option<&'a Fault>,
    /// When its action was first sent.
    pub started_at: Option<Timestamp>,
    /// When it was settled.
    pub finished_at: Option<Timestamp>,
    /// Whether an operator settled it.
    pub resolved: bool,
    /// Its compensation, once that is decided.
    pub compensation: Option<CompensationReport<'a>>,
}

/// The compensation of a step, as shown.
#[derive(Clone, Debug)]
pub struct CompensationReport<'a> {
    /// What it is called.
    pub action: &'a str,
    /// Its attempts.
    pub attempts: u32,
    /// When it was first sent.
    pub started_at: Timestamp,
    /// What went wrong last.
    pub error: Option<&'a Fault>,
}

impl Saga {
    /// Its steps, in the order of the definition.
    #[must_use]
    pub fn steps<'a>(&'a self, definition: &'a Definition) -> Vec<StepReport<'a>> {
        let steps = definition.steps.iter().zip(&self.steps);
        let report = steps.map(|(plan, step)| {
            let state = &step.state;
            let (action, undo) = state.calls();
            let compensation = match (&plan.kind, undo) {
                (Kind::Compensatable(Some(compensation)), Some(call)) => Some(CompensationReport {
                    action: &compensation.action,
                    attempts: call.attempts,
                    started_at: call.started_at,
                    error: call.error.as_ref(),
                }),
                _ => None,
            };
            StepReport {
                name: &plan.name,
                participant: &plan.participant,
                action: &plan.action,
                kind: plan.kind.word(),
                needs: plan.needs.iter().map(|&need| &definition.steps[need].name).collect(),
                status: state.status(),
                attempts: action.map_or(0, |call| call.attempts),
                output: state.output(),
                error: state.error(),
                started_at: action.map(|call| call.started_at),
                finished_at: state.finished_at(),
                resolved: state.is_resolved(),
                compensation,
            }
        });
        report.collect()
    }

    /// Why it is as it is: the first stuck step's fault, else why it turned back or ended early.
    #[must_use]
    pub fn cause(&self, definition: &Definition) -> Option<Cause> {
        let turned = match &self.course {
            Course::Forward => None,
            Course::Backward { cause } => Some(cause.clone()),
            Course::Ended { cause, .. } => return cause.clone(),
        };
        let mut steps = definition.steps.iter().zip(&self.steps);
        let stuck = steps.find(|(_, step)| step.state.is_stuck()).and_then(|(plan, step)| {
            step.state.error().map(|fault| Cause::of_step(&plan.name, fault))
        });
        stuck.or(turned)
    }

    /// Its output, once it is completed.
    #[must_use]
    pub fn output(&self) -> Option<&Json> {
        match &self.course {
            Course::Ended { output, .. } => output.as_ref(),
            Course::Forward | Course::Backward { .. } => None,
        }
    }

    /// When it ended.
    #[must_use]
    pub fn finished_at(&self) -> Option<Timestamp> {
        match &self.course {
            Course::Ended { at, .. } => Some(*at),
            Course::Forward | Course::Backward { .. } => None,
        }
    }

    /// Whether its deadline passed after its pivot was sent.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.overdue
    }
}
