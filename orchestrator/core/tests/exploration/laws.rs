//! What holds of every transition, whoever says whatever.

use saga_core::{
    Definition,
    definition::Kind,
    saga::{Effect, Event, GRACE, Order, Status, StepStatus, Transition, Verb},
};
use saga_protocol::{Phase, StepName, Timestamp};
use serde::Deserialize;

use crate::{
    explore::Node,
    shape::{Course, Shape},
};

/// Fails with the rest of the arguments where the first is false.
macro_rules! hold {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use hold;

/// One transition, looked at from outside.
pub(crate) struct Observed<'a> {
    pub(crate) definition: &'a Definition,
    /// What it came from; none for a start.
    pub(crate) from: Option<(&'a Node, &'a Event)>,
    pub(crate) now: Timestamp,
    pub(crate) transition: &'a Transition,
    /// Of the saga that it led to.
    pub(crate) after: &'a Shape,
}

/// A status of a step that changed, as the journal has it.
#[derive(Deserialize)]
struct Change {
    step: StepName,
    from: StepStatus,
    to: StepStatus,
}

#[derive(Deserialize)]
struct Entry {
    version: i64,
    status: Status,
    changes: Vec<Change>,
}

impl Observed<'_> {
    pub(crate) fn check(&self) -> Result<(), String> {
        let entry: Entry = serde_json::from_str(self.transition.entry.get())
            .map_err(|error| format!("the entry cannot be read: {error}"))?;
        let saga = &self.transition.saga;
        let version = self.from.map_or(0, |(before, _)| before.saga.version);
        hold!(saga.version == version + 1, "version {version} became {}", saga.version);
        hold!(entry.version == saga.version, "the entry is of version {}", entry.version);
        hold!(entry.status == saga.status(), "the entry is of status {}", entry.status);
        self.check_saga()?;
        self.check_changes(&entry.changes)?;
        self.check_pivot()?;
        self.check_sends()?;
        self.check_wake()?;
        self.check_resume()
    }

    /// Only legal edges of the saga, nothing leaves an end, and its status says how its steps are.
    fn check_saga(&self) -> Result<(), String> {
        let after = self.after;
        let from = self.from.map_or(Status::Running, |(before, _)| before.shape.status);
        hold!(is_legal_saga(from, after.status), "the saga went from {from} to {}", after.status);
        if is_end(from) {
            let is_quiet = self.transition.effects.is_empty();
            hold!(is_quiet, "a saga that is {from} sends something");
        }
        let (mut is_stuck, mut is_done, mut is_void) = (false, true, true);
        for step in &after.steps {
            is_stuck |= matches!(step.status, StepStatus::Failed | StepStatus::CompensationFailed);
            is_done &= matches!(step.status, StepStatus::Completed | StepStatus::Skipped);
            is_void &= is_settled_backwards(step.status);
        }
        let is_true = match after.status {
            Status::Running => after.course == Course::Forward && !is_stuck,
            Status::Compensating => after.course == Course::Backward && !is_stuck,
            Status::Stuck => is_stuck,
            Status::Completed => is_done,
            Status::Compensated | Status::PartlyCompensated => is_void,
            Status::Abandoned => true,
        };
        hold!(is_true, "the saga is {}, which its steps are not", after.status);
        hold!(!(after.is_paused && is_end(after.status)), "an end is paused");
        Ok(())
    }

    /// Only legal edges of steps, journaled without a gap; undone in reverse order.
    fn check_changes(&self, changes: &[Change]) -> Result<(), String> {
        let mut statuses: Vec<_> = match self.from {
            Some((before, _)) => before.shape.steps.iter().map(|step| step.status).collect(),
            None => vec![StepStatus::Pending; self.after.steps.len()],
        };
        for Change { step: name, from, to } in changes {
            let step = self.definition.step(name).ok_or("a change of an unknown step")?;
            hold!(statuses[step] == *from, "`{name}` was {}, not {from}", statuses[step]);
            let kind = &self.definition.steps[step].kind;
            hold!(is_legal_step(kind, *from, *to), "`{name}` went from {from} to {to}");
            statuses[step] = *to;
            if is_undone(*to) {
                let later = descendants(self.definition, step);
                let open = later.iter().find(|&&later| !is_settled_backwards(statuses[later]));
                let open = open.map(|&later| &self.definition.steps[later].name);
                hold!(open.is_none(), "`{name}` is undone before {open:?}");
            }
        }
        let told: Vec<_> = self.after.steps.iter().map(|step| step.status).collect();
        hold!(statuses == told, "the journal says {statuses:?}, and the steps are {told:?}");
        Ok(())
    }

    /// Nothing runs beside the pivot, and nothing is undone once its command was decided, unless it
    /// was rejected.
    fn check_pivot(&self) -> Result<(), String> {
        let is_pivot = |kind: &Kind| matches!(kind, Kind::Pivot);
        let Some(pivot) = self.definition.steps.iter().position(|step| is_pivot(&step.kind)) else {
            return Ok(());
        };
        let after = self.after;
        if matches!(after.steps[pivot].status, StepStatus::Pending | StepStatus::Rejected) {
            return Ok(());
        }
        let goes_on = matches!(after.course, Course::Forward | Course::Completed);
        hold!(goes_on || after.course == Course::Abandoned, "it turned back after its pivot");
        for (step, plan) in after.steps.iter().zip(&self.definition.steps) {
            let is_ready = matches!(step.status, StepStatus::Completed | StepStatus::Skipped);
            let is_before = matches!(plan.kind, Kind::Compensatable(_));
            hold!(is_ready || !is_before, "`{}` is {} at the pivot", plan.name, step.status);
        }
        Ok(())
    }

    /// Nothing is sent while paused, no action while turning back, and nothing beyond the attempts
    /// that there are. What is sent is outstanding.
    fn check_sends(&self) -> Result<(), String> {
        let outstanding = self.transition.saga.commands(self.definition);
        let retries = match self.from {
            Some((before, Event::Operator(_))) => before.world.retries + 1,
            Some((before, Event::Reply(_) | Event::Due)) => before.world.retries,
            None => 0,
        };
        for Effect::Send(command) in &self.transition.effects {
            let label = format!("{} {} of `{}`", command.phase, command.attempt, command.step);
            hold!(!self.after.is_paused, "{label} is sent while the saga is paused");
            let step = self.definition.step(&command.step).ok_or("an unknown step")?;
            let plan = &self.definition.steps[step];
            let attempts = match (command.phase, &plan.kind) {
                (Phase::Compensation, Kind::Compensatable(Some(undo))) => undo.retry.attempts,
                _ => plan.retry.attempts,
            };
            let max = attempts * (retries + 1);
            hold!(command.attempt <= max, "{label} is sent, and there are {max}");
            let is_forward = self.after.course == Course::Forward;
            hold!(is_forward || command.phase != Phase::Action, "{label} is sent on the way back");
            let is_out = outstanding.iter().any(|sent| sent.command == *command);
            let is_query = command.phase == Phase::Query;
            hold!(is_query || is_out, "{label} is sent and not outstanding");
            hold!(command.deadline > self.now, "{label} is sent after its deadline");
        }
        Ok(())
    }

    /// Somebody looks whenever something can move by itself, and soon when something was sent;
    /// nobody when nothing can.
    fn check_wake(&self) -> Result<(), String> {
        let saga = &self.transition.saga;
        let (wake_at, due) = (saga.wake_at(self.now), saga.next_due());
        hold!(wake_at.is_some() == due.is_some(), "a look at {wake_at:?} for {due:?}");
        if self.after.is_paused || saga.is_ended() {
            hold!(wake_at.is_none(), "it is looked at although nothing can move");
            return Ok(());
        }
        let is_moving = matches!(self.after.status, Status::Running | Status::Compensating);
        hold!(!is_moving || wake_at.is_some(), "nobody looks at a saga that is on its way");
        // An unanswered question is not asked again: it can only help.
        let is_question = |Effect::Send(command): &Effect| command.phase == Phase::Query;
        let is_sent = !self.transition.effects.iter().all(is_question);
        let is_soon = wake_at.is_some_and(|at| at <= self.now.after(GRACE));
        hold!(!is_sent || is_soon, "nobody looks soon after a command");
        Ok(())
    }

    /// What was due before a pause is due as long after it.
    fn check_resume(&self) -> Result<(), String> {
        let Some((before, Event::Operator(Order { verb: Verb::Resume, .. }))) = self.from else {
            return Ok(());
        };
        for (step, earlier) in self.after.steps.iter().zip(&before.shape.steps) {
            let is_same = step.status == earlier.status && step.attempts == earlier.attempts;
            let times = (step.due, step.retry_at) == (earlier.due, earlier.retry_at);
            hold!(!is_same || times, "{step:?} was {earlier:?} before the pause");
        }
        Ok(())
    }
}

fn is_legal_saga(from: Status, to: Status) -> bool {
    use Status::*;
    match from {
        Running => to != PartlyCompensated,
        Compensating => !matches!(to, Running | Completed),
        Stuck => true,
        Completed | Compensated | PartlyCompensated | Abandoned => to == from,
    }
}

fn is_legal_step(kind: &Kind, from: StepStatus, to: StepStatus) -> bool {
    use StepStatus::*;
    let fits_kind = match to {
        Unknown | Compensating | Compensated | CompensationFailed => {
            matches!(kind, Kind::Compensatable(_))
        }
        Failed => !matches!(kind, Kind::Compensatable(_)),
        Rejected => !matches!(kind, Kind::Retriable),
        Pending | Running | Waiting | Completed | Skipped => true,
    };
    fits_kind
        && match from {
            Pending => matches!(to, Running | Skipped | Failed),
            Running => {
                let is_settled = matches!(to, Completed | Rejected | Unknown | Failed);
                to == Waiting || is_settled || is_undone(to)
            }
            Waiting => {
                let is_settled = matches!(to, Completed | Rejected | Unknown | Failed);
                to == Running || is_settled || is_undone(to)
            }
            // It stays only while the saga is paused, and then answers are recorded.
            Unknown => matches!(to, Completed | Rejected) || is_undone(to),
            Failed => matches!(to, Running | Completed | Rejected | Skipped),
            Completed => is_undone(to),
            Compensating => matches!(to, Compensated | CompensationFailed),
            CompensationFailed => matches!(to, Compensating | Compensated),
            Skipped | Rejected | Compensated => false,
        }
}

fn is_undone(status: StepStatus) -> bool {
    use StepStatus::*;
    matches!(status, Compensating | Compensated | CompensationFailed)
}

/// Whether a step neither has an effect that must be undone nor may have one.
fn is_settled_backwards(status: StepStatus) -> bool {
    use StepStatus::*;
    matches!(status, Pending | Skipped | Rejected | Compensated)
}

pub(crate) fn is_end(status: Status) -> bool {
    use Status::*;
    matches!(status, Completed | Compensated | PartlyCompensated | Abandoned)
}

/// Every step that comes after this one, through however many.
pub(crate) fn descendants(definition: &Definition, step: usize) -> Vec<usize> {
    let mut found = vec![step];
    let mut at = 0;
    while let Some(&next) = found.get(at) {
        for &dependent in &definition.steps[next].dependents {
            if !found.contains(&dependent) {
                found.push(dependent);
            }
        }
        at += 1;
    }
    found.split_off(1)
}
