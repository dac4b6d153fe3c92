//! What was found out about one definition.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use saga_core::{
    Definition,
    rehearsal::{Case, OneWay, Rehearsal, Run},
    saga::Status,
};
use saga_protocol::{Json, Phase, StepKind};

/// Runs that ended otherwise than they may, of each definition, that are told: they show a defect
/// of this program, and one is enough to find it.
const OTHERWISE_MAX: usize = 20;

/// A definition and its runs.
pub(super) struct Simulated {
    pub(super) file: String,
    pub(super) definition: String,
    pub(super) version: String,
    /// Whether somebody gave the input.
    pub(super) is_input_given: bool,
    pub(super) steps: Vec<Step>,
    pub(super) cases: Vec<Case>,
    pub(super) one_way: Vec<OneWay>,
    /// With no fault or one.
    pub(super) singles: Vec<Run>,
    /// With two, where that was wanted.
    pub(super) pairs: Option<Pairs>,
}

/// What is told of a step.
pub(super) struct Step {
    pub(super) name: String,
    pub(super) kind: StepKind,
}

/// Runs with two faults.
#[derive(Default)]
pub(super) struct Pairs {
    /// All pairs there are.
    pub(super) possible: usize,
    /// Of which so many were tried.
    pub(super) tried: usize,
    pub(super) ends: Ends,
    pub(super) stuck: BTreeSet<Way>,
    pub(super) otherwise: Vec<Run>,
}

/// How runs ended.
#[derive(Default)]
pub(super) struct Ends {
    pub(super) runs: usize,
    pub(super) by_status: BTreeMap<Status, usize>,
    pub(super) otherwise: usize,
    pub(super) longest: Duration,
}

/// A way into stuck: the step, whether it is stuck in its action or its compensation, and why.
pub(super) type Way = (usize, Phase, String);

impl Simulated {
    /// Runs all single faults.
    pub(super) fn of(
        file: &Path,
        definition: &Definition,
        rehearsal: &Rehearsal<'_>,
        input: Option<&Json>,
    ) -> Self {
        let steps = definition.steps.iter();
        let step = |step: &saga_core::definition::Step| Step {
            name: step.name.to_string(),
            kind: step.kind.word(),
        };
        Self {
            file: file.display().to_string(),
            definition: definition.name.to_string(),
            version: definition.hash.clone(),
            is_input_given: input.is_some(),
            steps: steps.map(step).collect(),
            cases: rehearsal.cases().to_vec(),
            one_way: rehearsal.one_way().to_vec(),
            singles: rehearsal.singles().collect(),
            pairs: None,
        }
    }

    pub(super) fn name(&self, step: usize) -> &str {
        &self.steps[step].name
    }

    /// How the runs with one fault ended.
    pub(super) fn ends(&self) -> Ends {
        let mut ends = Ends::default();
        let faulty = self.singles.iter().filter(|run| !run.mishaps.is_empty());
        faulty.for_each(|run| ends.count(run));
        ends
    }

    /// Whether all is as it may be. Of inputs that are made up some may be such that no saga
    /// completes with them; one that is given is meant to.
    pub(super) fn is_sound(&self) -> bool {
        let is_complete = !self.is_input_given || self.incomplete().next().is_none();
        is_complete && self.otherwise().next().is_none()
    }

    /// Runs that do not complete though nothing goes wrong.
    pub(super) fn incomplete(&self) -> impl Iterator<Item = &Run> {
        let is_one = |run: &&Run| run.mishaps.is_empty() && run.ends != Status::Completed;
        self.singles.iter().filter(is_one)
    }

    /// Runs that ended otherwise than they may.
    pub(super) fn otherwise(&self) -> impl Iterator<Item = &Run> {
        let pairs = self.pairs.iter().flat_map(|pairs| &pairs.otherwise);
        self.singles.iter().filter(|run| !run.is_sound()).chain(pairs)
    }

    /// Ways into stuck, each with whether only two faults together lead there.
    pub(super) fn stuck(&self) -> BTreeMap<Way, bool> {
        let singles: BTreeSet<_> = self.singles.iter().flat_map(ways).collect();
        let pairs = self.pairs.iter().flat_map(|pairs| &pairs.stuck);
        let mut all: BTreeMap<_, _> = pairs.map(|way| (way.clone(), true)).collect();
        all.extend(singles.into_iter().map(|way| (way, false)));
        all
    }
}

impl Pairs {
    /// Takes a run; none where one fault of the pair keeps the other from happening.
    pub(super) fn take(&mut self, run: Option<Run>) {
        self.tried += 1;
        let Some(run) = run else {
            return;
        };
        self.ends.count(&run);
        self.stuck.extend(ways(&run));
        if !run.is_sound() && self.otherwise.len() < OTHERWISE_MAX {
            self.otherwise.push(run);
        }
    }
}

impl Ends {
    fn count(&mut self, run: &Run) {
        self.runs += 1;
        self.longest = self.longest.max(run.at_worst);
        if run.is_sound() {
            *self.by_status.entry(run.ends).or_default() += 1;
        } else {
            self.otherwise += 1;
        }
    }
}

fn ways(run: &Run) -> impl Iterator<Item = Way> {
    run.stuck.iter().map(|stuck| (stuck.step, stuck.phase, stuck.code.clone()))
}
