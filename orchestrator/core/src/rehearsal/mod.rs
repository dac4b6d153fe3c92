//! What becomes of a definition's sagas whatever goes wrong, found out before any of them runs: the
//! real state machine, played against participants that keep their word, in time of its own. Every
//! single mishap at every step, and pairs of them. In reading order: what can go wrong (`mishap`);
//! one run (`play`), who takes part in it (`party`), what must hold of it (`promises`), and what
//! came of it (`run`); and what a saga is given (`cases`: `plausible` values, and those that `vary`
//! so that conditions are met both ways).

mod cases;
mod mishap;
mod pairs;
mod party;
mod plausible;
mod play;
mod promises;
mod run;
mod vary;

use saga_protocol::Json;

pub use self::{
    cases::{Case, OneWay, Unready},
    mishap::{Mishap, What},
    pairs::Pairs,
    run::{Run, Stuck, Undone},
};
use crate::definition::Definition;

/// A definition, and all that can go wrong with its sagas.
#[derive(Debug)]
pub struct Rehearsal<'a> {
    definition: &'a Definition,
    cases: Vec<Case>,
    one_way: Vec<OneWay>,
    /// Of each case.
    mishaps: Vec<Vec<Mishap>>,
}

impl<'a> Rehearsal<'a> {
    /// Prepares; with this input, or with one that is made up from the definition's schema.
    ///
    /// # Errors
    /// [`Unready`] where no saga can be started so, or none completes with what was made up.
    pub fn of(definition: &'a Definition, input: Option<&Json>) -> Result<Self, Unready> {
        let (cases, one_way) = cases::cases(definition, input)?;
        let mishaps = cases.iter().map(|case| Mishap::all(definition, case)).collect();
        Ok(Self { definition, cases, one_way, mishaps })
    }

    /// What sagas are given: one case for each set of steps that conditions skip.
    #[must_use]
    pub fn cases(&self) -> &[Case] {
        &self.cases
    }

    /// Conditions that no case meets both ways.
    #[must_use]
    pub fn one_way(&self) -> &[OneWay] {
        &self.one_way
    }

    /// Each case where nothing goes wrong, then where one thing does, in the order of the steps.
    pub fn singles(&self) -> impl Iterator<Item = Run> {
        let cases = self.cases.iter().zip(&self.mishaps);
        cases.flat_map(|(case, mishaps)| {
            let none = self.run(case, &[]);
            none.into_iter().chain(mishaps.iter().filter_map(|mishap| self.run(case, &[*mishap])))
        })
    }

    /// Runs in which two things go wrong, at different commands. In an order that is always the
    /// same and wanders over all of them, so that the first so many are a sample.
    #[must_use]
    pub fn pairs(&self) -> Pairs<'_, 'a> {
        Pairs::of(self)
    }

    /// One run; what must happen before, so that all of this can, is made to happen.
    fn run(&self, case: &Case, mishaps: &[Mishap]) -> Option<Run> {
        let ways = mishaps.iter().flat_map(|mishap| mishap.ways(self.definition, case));
        let ways: Vec<_> = ways.collect();
        let one = ways.iter().map(|way| vec![*way]);
        let two = ways.iter().enumerate().flat_map(|(at, a)| {
            ways[at + 1..].iter().filter(|b| !a.is_at(b)).map(|b| vec![*a, *b])
        });
        let mut alternatives = std::iter::once(Vec::new()).chain(one).chain(two);
        alternatives.find_map(|ways| {
            let is_free = |way: &Mishap| !mishaps.iter().any(|mishap| mishap.is_at(way));
            if !ways.iter().all(is_free) {
                return None;
            }
            let all = [mishaps, &ways].concat();
            let run = play::play(self.definition, case, &all)?;
            Some(Run { mishaps: mishaps.to_vec(), ways, ..run })
        })
    }
}
