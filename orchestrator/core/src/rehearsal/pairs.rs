//! Two things that go wrong in one run.

use super::{Rehearsal, Run};

/// Runs of pairs of mishaps; `None` for a pair of which one keeps the other from happening.
#[derive(Clone, Debug)]
pub struct Pairs<'r, 'd> {
    rehearsal: &'r Rehearsal<'d>,
    /// Case and mishaps by number.
    pairs: Vec<(usize, usize, usize)>,
    next: usize,
    stride: usize,
    left: usize,
}

impl<'r, 'd> Pairs<'r, 'd> {
    pub(super) fn of(rehearsal: &'r Rehearsal<'d>) -> Self {
        let mut pairs = Vec::new();
        for (case, mishaps) in rehearsal.mishaps.iter().enumerate() {
            for (first, a) in mishaps.iter().enumerate() {
                let later = mishaps.iter().enumerate().skip(first + 1);
                let later = later.filter(|(_, b)| !a.is_at(b));
                pairs.extend(later.map(|(second, _)| (case, first, second)));
            }
        }
        let left = pairs.len();
        Self { rehearsal, stride: stride(left), pairs, next: 0, left }
    }
}

impl Iterator for Pairs<'_, '_> {
    type Item = Option<Run>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (case, first, second) = self.pairs[self.next];
        self.next = (self.next + self.stride) % self.pairs.len();
        let mishaps = &self.rehearsal.mishaps[case];
        let pair = [mishaps[first], mishaps[second]];
        Some(self.rehearsal.run(&self.rehearsal.cases[case], &pair))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Pairs<'_, '_> {}

/// A step around a ring of this length that comes to every place before it comes back: about the
/// golden section of it, so that places in a row are far apart.
fn stride(length: usize) -> usize {
    let golden = length.saturating_mul(618) / 1_000;
    (golden.max(1)..).find(|stride| is_coprime(*stride, length)).unwrap_or(1)
}

fn is_coprime(a: usize, b: usize) -> bool {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a == 1
}
