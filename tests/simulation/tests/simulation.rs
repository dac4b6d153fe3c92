//! The simulation within the test command. Longer: `cargo run --release -p saga-simulation`.

use saga_simulation::{Campaign, Options, run};

/// What takes about a minute on two processors.
const SEEDS: u64 = 20_000;
/// With every message twice.
const SEEDS_TWICE: u64 = 1_000;
/// Enough to meet every kind of fault more than once.
const SEEDS_COMPARED: u64 = 200;

fn check(seeds: u64, options: Options) {
    let campaign = Campaign { seeds: 0..seeds, options, stops_at_first: false };
    let tally = campaign.run(|_, _| {});
    assert!(tally.failures == 0, "{tally}");
    assert_eq!(tally.seeds, seeds);
}

#[test]
fn whatever_fails_no_promise_is_broken() {
    check(SEEDS, Options::default());
}

#[test]
fn no_promise_is_broken_where_every_message_arrives_twice() {
    check(SEEDS_TWICE, Options { twice: true, ..Options::default() });
}

#[test]
fn one_seed_is_one_run() {
    let options = Options { trace: true, ..Options::default() };
    for seed in 0..SEEDS_COMPARED {
        let [one, other] = [(), ()].map(|()| run(seed, &options));
        let different = one.trace.iter().zip(&other.trace).find(|(one, other)| one != other);
        assert_eq!(different, None, "seed {seed} is two runs");
        assert_eq!(one.trace.len(), other.trace.len(), "seed {seed} is two runs");
    }
}
