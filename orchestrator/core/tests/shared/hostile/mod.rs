//! Inputs for the loader that somebody might feed it by accident or on purpose, made out of the
//! files of the corpus: each by its number and nothing else, so that a number is enough to have one
//! again. And what must hold for each of them.

mod expressions;
mod random;
mod schemas;
mod text;
mod tree;
mod verdict;

use random::Random;

pub(crate) use verdict::{Verdict, judge};

/// The most that is changed in one input: more, and hardly any is still half a definition.
const CHANGES_MAX: usize = 4;

/// What is written over many lines at most, in bytes: indentation grows with the depth.
const PRETTY_BYTES_MAX: usize = 20_000;

/// Makes inputs.
pub(crate) struct Inputs {
    /// Sound definitions to begin with.
    good: Vec<String>,
    /// The same as values.
    trees: Vec<serde_json::Value>,
    /// Those that are refused.
    bad: Vec<String>,
}

impl Inputs {
    pub(crate) fn new(good: Vec<String>, bad: Vec<String>) -> Self {
        let options = serde_saphyr::options! { strict_booleans: true };
        let read = |text: &String| serde_saphyr::from_str_with_options(text, options.clone());
        let trees = good.iter().map(|text| read(text).expect("what is sound is YAML")).collect();
        Self { good, trees, bad }
    }

    /// The input of this number.
    pub(crate) fn input(&self, number: u64) -> String {
        let mut random = Random::new(number);
        let random = &mut random;
        if random.one_in(3) {
            let mut tree = random.pick(&self.trees).clone();
            for _ in 0..=random.below(CHANGES_MAX) {
                tree::change(&mut tree, random.pick(&self.trees), random);
            }
            let text = tree.to_string();
            let is_small = text.len() < PRETTY_BYTES_MAX;
            return if is_small && random.one_in(2) { format!("{tree:#}") } else { text };
        }
        let seeds = if random.one_in(4) { &self.bad } else { &self.good };
        let mut text = random.pick(seeds).clone();
        for _ in 0..=random.below(CHANGES_MAX) {
            let others = if random.one_in(2) { &self.bad } else { &self.good };
            let other: &String = random.pick(others);
            text = text::change(&text, other, random);
        }
        text
    }
}
