//! Many runs, on all processors.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{Fault, Options, Outcome, held, run};

/// Failing runs that are kept: enough to see the pattern.
const FAILED_MAX: usize = 10;
/// Between two words about how it goes.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// Runs of many seeds.
#[derive(Debug)]
pub struct Campaign {
    /// Which.
    pub seeds: Range<u64>,
    /// How.
    pub options: Options,
    /// Whether it ends with the first run that fails.
    pub stops_at_first: bool,
}

/// What they came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Runs.
    pub seeds: u64,
    /// Sagas by how they ended.
    pub ends: BTreeMap<String, u64>,
    /// Faults by kind.
    pub faults: BTreeMap<Fault, u64>,
    /// Runs in which a promise was broken.
    pub failures: u64,
    /// The first of them.
    pub failed: Vec<Outcome>,
    /// How long they took, in their own time.
    pub took: Duration,
}

impl Campaign {
    /// Runs them; `tell` hears now and then how it goes.
    pub fn run(&self, tell: impl Fn(&Tally, Duration) + Sync) -> Tally {
        let begun = Instant::now();
        let next = AtomicU64::new(self.seeds.start);
        let tally = Mutex::new((Tally::default(), begun));
        let over = AtomicBool::new(false);
        let work = || {
            while !over.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= self.seeds.end {
                    return;
                }
                let outcome = run(seed, &self.options);
                let (tally, told) = &mut *held(&tally);
                tally.add(outcome);
                if tally.failures > 0 && self.stops_at_first {
                    over.store(true, Ordering::Relaxed);
                }
                if told.elapsed() >= TELL_EVERY {
                    *told = Instant::now();
                    tell(tally, begun.elapsed());
                }
            }
        };
        let workers = thread::available_parallelism().map_or(1, usize::from);
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(work);
            }
        });
        let (mut tally, _) = tally.into_inner().unwrap_or_else(|poisoned| poisoned.into_inner());
        tally.failed.sort_by_key(|outcome| outcome.seed);
        tally
    }
}

impl Tally {
    /// Of one run.
    #[must_use]
    pub fn of(outcome: Outcome) -> Self {
        let mut tally = Self::default();
        tally.add(outcome);
        tally
    }

    fn add(&mut self, outcome: Outcome) {
        self.seeds += 1;
        self.took += outcome.took;
        for (end, count) in &outcome.ends {
            *self.ends.entry(end.clone()).or_default() += count;
        }
        for (fault, count) in &outcome.faults {
            *self.faults.entry(*fault).or_default() += count;
        }
        if !outcome.violations.is_empty() {
            self.failures += 1;
            if self.failed.len() < FAILED_MAX {
                self.failed.push(outcome);
            }
        }
    }

    /// All sagas.
    #[must_use]
    pub fn sagas(&self) -> u64 {
        self.ends.values().sum()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hours, sagas) = (self.took.as_secs() / 3600, self.sagas());
        writeln!(f, "{} seeds, {sagas} sagas, {hours} hours of their own time", self.seeds)?;
        for (end, count) in &self.ends {
            writeln!(f, "  {count:>12} {end}")?;
        }
        writeln!(f, "faults:")?;
        for (fault, count) in &self.faults {
            writeln!(f, "  {count:>12} {}", fault.name())?;
        }
        for outcome in &self.failed {
            write!(f, "{outcome}")?;
        }
        writeln!(f, "{} seeds with violations", self.failures)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed;
        writeln!(f, "SEED={seed}")?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        let command = "cargo run --release -p saga-simulation --";
        writeln!(f, "  replay it: {command} --seed {seed} --trace")
    }
}
