//! The plan of a run: how large the world is and which faults are on, drawn from the seed. Every
//! kind of fault is off in many seeds, so that none hides behind another (swarm testing).

use std::time::Duration;

use crate::{dice::Dice, fault::Fault};

/// How often a fault of the nemesis strikes at most: so seldom that sagas move in between.
const STRIKE_EVERY: std::ops::Range<u64> = 20..800;

/// What a run is like.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) orchestrators: usize,
    /// Per participant.
    pub(crate) replicas: Vec<usize>,
    pub(crate) sagas: usize,
    /// How long faults are on.
    pub(crate) safety: Duration,
    /// By fault.
    rates: Vec<f64>,
    /// Whether every message arrives twice.
    pub(crate) twice: bool,
    /// Whether an operator mends what is stuck once the faults are over.
    pub(crate) mends: bool,
    /// How long a commit takes, at most.
    pub(crate) commit_max: Duration,
    /// How long work takes, at most.
    pub(crate) work_max: Duration,
}

impl Plan {
    pub(crate) fn draw(dice: &Dice, twice: bool) -> Self {
        let is_calm = dice.happens(0.05);
        // Half of the faults, a few of them, or one or two alone.
        let share = [0.6, 0.3, 0.08][dice.below(3)];
        let rate = |fault: &Fault| {
            let is_on = dice.happens(share);
            let factor = dice.factor(0.3..1.5);
            if is_on && !is_calm { (fault.rate() * factor).min(2.0) } else { 0.0 }
        };
        let rates = Fault::ALL.iter().map(rate).collect();
        Self {
            orchestrators: 1 + dice.below(3),
            replicas: (0..3).map(|_| 1 + dice.below(2)).collect(),
            sagas: 3 + dice.below(6),
            safety: dice.millis(1_000..12_000),
            rates,
            twice: dice.happens(0.1) || twice,
            mends: dice.happens(0.7),
            commit_max: Duration::from_millis([0, 1, 20, 200][dice.below(4)]),
            work_max: Duration::from_millis([1, 20, 200, 1_000][dice.below(4)]),
        }
    }

    pub(crate) fn rate(&self, fault: Fault) -> f64 {
        self.rates[fault as usize]
    }

    /// When the nemesis strikes again.
    pub(crate) fn next_strike(dice: &Dice) -> Duration {
        dice.millis(STRIKE_EVERY)
    }
}
