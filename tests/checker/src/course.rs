//! What a journal says of order, attempts, pauses and time, held against the definition. It is read
//! here without the core, so that a rule which the core forgets is missed.

use std::collections::BTreeMap;

use saga_core::{
    Definition,
    definition::Kind,
    saga::{Status, StepStatus},
};
use saga_protocol::{Outcome, Phase, StepName, Timestamp};

use crate::{
    Violation,
    saga::{Change, Entry, Event, EventKind, Replayed},
};

/// A saga as the entries read so far tell of it.
struct Course<'a> {
    definition: &'a Definition,
    /// By step.
    statuses: Vec<StepStatus>,
    has_turned_back: bool,
    paused_at: Option<Timestamp>,
    deadline: Option<Timestamp>,
    /// By command: the last attempt, and how many there were since an operator began anew.
    attempts: BTreeMap<(&'a StepName, Phase), (u32, u32)>,
}

/// The first promise that the journal of a saga breaks.
pub(crate) fn check(saga: &Replayed<'_>) -> Option<Violation> {
    let definition = saga.definition;
    let deadline = definition.deadline.zip(saga.entries.first());
    let mut course = Course {
        definition,
        statuses: vec![StepStatus::Pending; definition.steps.len()],
        has_turned_back: false,
        paused_at: None,
        deadline: deadline.map(|(deadline, entry)| entry.at.after(deadline)),
        attempts: BTreeMap::new(),
    };
    saga.entries.iter().find_map(|entry| {
        let (promise, what) = course.take(entry)?;
        let (id, version) = (saga.seen.id, entry.version);
        Some(Violation::new(promise, format!("{id} version {version}: {what}")))
    })
}

/// A promise, and by what it is broken.
type Broken = (&'static str, String);

impl<'a> Course<'a> {
    /// Reads one entry on.
    fn take(&mut self, entry: &'a Entry) -> Option<Broken> {
        let broken = self.answer(&entry.event);
        self.order(&entry.event, entry.at);
        let broken = broken.or_else(|| self.sends(entry)).or_else(|| self.starts(entry));
        self.has_turned_back |= entry.cause.is_some();
        broken.or_else(|| self.deadline(entry))
    }

    /// An answer is to what was asked. That an attempt came to nothing counts only while it is the
    /// one under way, and of a question never.
    fn answer(&self, event: &Event) -> Option<Broken> {
        let (phase, outcome) = (event.phase?, event.outcome?);
        let (step, attempt) = (event.step.as_ref()?, event.attempt?);
        let asked = if phase == Phase::Query { Phase::Action } else { phase };
        let (last, _) = self.attempts.get(&(step, asked)).copied().unwrap_or_default();
        let what = || format!("{phase} {attempt} of {last} of `{step}` is {}", outcome.as_str());
        let is_nothing = matches!(outcome, Outcome::Failed | Outcome::Unknown);
        if attempt == 0 || attempt > last {
            Some(("an answer is to what was asked", what()))
        } else if is_nothing && (attempt < last || phase == Phase::Query) {
            Some(("only the attempt under way can fail", what()))
        } else {
            None
        }
    }

    /// What an operator's order changes here.
    fn order(&mut self, event: &Event, at: Timestamp) {
        match event.verb.as_deref() {
            Some("retry") => self.attempts.values_mut().for_each(|(_, count)| *count = 0),
            Some("pause") => self.paused_at = Some(at),
            Some("resume") => {
                // The time of a paused saga stands still.
                let pause = self.paused_at.take().map(|since| at.since(since)).unwrap_or_default();
                self.deadline = self.deadline.map(|deadline| deadline.after(pause));
            }
            _ => {}
        }
    }

    fn sends(&mut self, entry: &'a Entry) -> Option<Broken> {
        for sent in entry.sent.iter().filter(|sent| sent.phase != Phase::Query) {
            let step = &self.definition.steps[self.definition.step(&sent.step)?];
            let allowed = match (&step.kind, sent.phase) {
                (Kind::Compensatable(Some(undo)), Phase::Compensation) => undo.retry.attempts,
                _ => step.retry.attempts,
            };
            let (last, count) = self.attempts.entry((&sent.step, sent.phase)).or_default();
            *last = sent.attempt;
            *count += 1;
            if *count > allowed {
                let what = format!("{} {count} of {allowed} of `{}`", sent.phase, sent.step);
                return Some(("a command is attempted as often as its definition says", what));
            }
        }
        let sent = entry.sent.first().filter(|_| self.paused_at.is_some())?;
        Some(("a paused saga sends nothing", format!("{} of `{}`", sent.phase, sent.step)))
    }

    fn starts(&mut self, entry: &Entry) -> Option<Broken> {
        use StepStatus::*;
        for Change { step: name, from, to } in &entry.changes {
            let step = self.definition.step(name)?;
            let needs = &self.definition.steps[step].needs;
            let is_done = |&&need: &&usize| matches!(self.statuses[need], Completed | Skipped);
            let open = needs.iter().find(|need| !is_done(need));
            if *from == Pending && self.has_turned_back {
                let what = format!("`{name}` is {to}");
                return Some(("nothing starts once a saga has turned back", what));
            }
            if let Some(&open) = open.filter(|_| *from == Pending) {
                let (need, is) = (&self.definition.steps[open].name, self.statuses[open]);
                let what = format!("`{name}` is {to} while `{need}` is {is}");
                return Some(("a step starts when all that it needs is done", what));
            }
            self.statuses[step] = *to;
        }
        None
    }

    /// Whoever looks at a saga whose time is over turns it back, unless its pivot was sent.
    fn deadline(&self, entry: &Entry) -> Option<Broken> {
        let deadline = self.deadline.filter(|deadline| *deadline <= entry.at)?;
        let steps = self.definition.steps.iter().zip(&self.statuses);
        let is_past_pivot = steps
            .filter(|(step, _)| matches!(step.kind, Kind::Pivot))
            .any(|(_, status)| *status != StepStatus::Pending);
        let goes_on = entry.event.kind == EventKind::Due && entry.status == Status::Running;
        let what = || format!("it goes on at {}, {deadline} is past", entry.at);
        (goes_on && !is_past_pivot).then(|| ("a saga turns back at its deadline", what()))
    }
}
