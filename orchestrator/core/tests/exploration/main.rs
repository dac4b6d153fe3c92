//! Every state that small sagas can reach, and everything that can happen in each: answers in any
//! order, late, twice or never, passing time, and operators. Checked are the invariants I1 (effects
//! once), I2 (truthful ends) and I6 (honest history).

mod explore;
mod laws;
mod moves;
mod participants;
mod plans;
#[path = "../shared/reload.rs"]
mod reload;
mod shape;
mod truth;

use std::time::Instant;

use explore::Extent;
use moves::Manners::{self, Honest, Hostile};
use plans::Plan;

const PARALLEL: &[&str] = &["", "needs: []"];
/// Three that undo would be most of the work of all tests.
const THREE: &[&str] = &["", "needs: []", "needs: [], compensation: none"];
const FAN_IN: &[&str] = &["", "needs: []", "needs: [a, b]"];
const DIAMOND: &[&str] = &["", "needs: [a]", "needs: [a]", "needs: [b, c]"];
/// A step whose output the next one reads.
const GIVES: &str = "output: { type: object, required: [id] }";
const TAKES: &str = "input: { id: '${steps.a.output.id}' }";

/// Plans, who answers, and how many orders an operator gives at most.
type Family<'a> = &'a [(Plan, Manners, u32)];

#[test]
fn chains() {
    explore(
        "chains",
        &[
            (Plan::of(&[""]), Honest, 2),
            (Plan::of(&["", ""]), Honest, 1),
            (Plan::of(&["", ""]).attempts(1, 1), Honest, 2),
            (Plan::of(&["", "", ""]), Honest, 0),
            (Plan::of(&["", "", ""]).attempts(2, 1), Honest, 1),
            (Plan::of(&["", "", "", ""]), Honest, 0),
            (Plan::of(&["", "", "", ""]).attempts(1, 1), Honest, 1),
        ],
        30_000,
    );
}

#[test]
fn branches() {
    explore(
        "branches",
        &[
            (Plan::of(PARALLEL).attempts(2, 1), Honest, 0),
            (Plan::of(PARALLEL).attempts(1, 2), Honest, 0),
            (Plan::of(PARALLEL).attempts(1, 1), Honest, 1),
            (Plan::of(THREE).attempts(1, 1), Honest, 0),
            (Plan::of(FAN_IN).attempts(2, 1), Honest, 0),
            (Plan::of(DIAMOND).attempts(1, 1), Honest, 0),
            (Plan::of(DIAMOND).attempts(2, 1), Honest, 0),
        ],
        40_000,
    );
}

#[test]
fn pivots() {
    explore(
        "pivots",
        &[
            (Plan::of(&["kind: pivot"]), Honest, 2),
            (Plan::of(&["", "kind: pivot"]), Honest, 2),
            (Plan::of(&["kind: pivot", "kind: retriable"]), Honest, 2),
            (Plan::of(&["", "", "kind: pivot"]), Honest, 1),
            (Plan::of(&["", "kind: pivot", "kind: retriable"]).attempts(2, 1), Honest, 2),
            (Plan::of(&["kind: pivot", "kind: retriable", "kind: retriable"]), Honest, 1),
            (Plan::of(&["", "", "", "kind: pivot"]), Honest, 0),
            (Plan::of(&["", "", "kind: pivot", "kind: retriable"]).attempts(2, 1), Honest, 1),
            (
                Plan::of(&["", "kind: pivot", "kind: retriable", "kind: retriable, needs: [b]"]),
                Honest,
                1,
            ),
            (
                Plan::of(&["", "needs: []", "kind: pivot, needs: [a, b]", "kind: retriable"])
                    .attempts(2, 1),
                Honest,
                0,
            ),
        ],
        50_000,
    );
}

#[test]
fn variants() {
    explore(
        "variants",
        &[
            (Plan::of(&["", "when: 'input.n == 1'", ""]).attempts(2, 1), Honest, 1),
            (Plan::of(&["", "when: 'input.n == 2'", ""]), Honest, 1),
            (Plan::of(&["compensation: none", ""]), Honest, 1),
            (Plan::of(&["", "compensation: none", ""]).attempts(2, 1), Honest, 1),
            (Plan::of(&["query: ask", "query: ask"]), Honest, 0),
            (Plan::of(&["query: ask"]), Honest, 2),
            (Plan::of(&["", "kind: pivot, query: ask", "kind: retriable, query: ask"]), Honest, 1),
            (Plan::of(&["", ""]).deadline("4s"), Honest, 1),
            (Plan::of(&["", "kind: pivot"]).deadline("2s"), Honest, 2),
            (Plan::of(PARALLEL).attempts(2, 1).deadline("3s"), Honest, 0),
            (Plan::of(&[GIVES, TAKES]), Honest, 1),
            (Plan::of(&["", "needs: [], input: '${input.missing}'", "needs: [b]"]), Honest, 1),
            (Plan::of(&["kind: pivot", "kind: retriable, input: '${input.missing}'"]), Honest, 2),
            (Plan::of(&["compensation_input: { id: '${input.missing}' }", ""]), Honest, 1),
        ],
        45_000,
    );
}

#[test]
fn hostile_answers() {
    explore(
        "hostile answers",
        &[
            (Plan::of(&[""]), Hostile, 2),
            (Plan::of(&["", ""]), Hostile, 0),
            (Plan::of(&["", ""]).attempts(1, 1), Hostile, 2),
            (Plan::of(PARALLEL).attempts(2, 1).deadline("3s"), Hostile, 0),
            (Plan::of(FAN_IN).attempts(1, 1), Hostile, 0),
            (Plan::of(&["", "kind: pivot", "kind: retriable"]).attempts(1, 1), Hostile, 1),
            (Plan::of(&[GIVES, TAKES]).attempts(1, 1), Hostile, 1),
            (Plan::of(&["query: ask", "compensation: none"]), Hostile, 1),
        ],
        25_000,
    );
}

/// Explores a family, says how much there was, and sees to it that it was not less than `at_least`
/// states: an exploration of nothing finds nothing wrong.
#[expect(clippy::print_stdout, reason = "how much was explored is what the test shows")]
fn explore(name: &str, family: Family<'_>, at_least: usize) {
    let begun = Instant::now();
    let mut extent = Extent::default();
    for (plan, manners, patience) in family {
        extent.explore(*plan, *manners, *patience);
    }
    let Extent { definitions, states, transitions, refusals, replays, ends } = extent;
    println!(
        "{name}: {definitions} definitions, {states} states, {transitions} transitions, \
         {refusals} refusals, {replays} journals replayed, ends {ends:?}, in {:.1?}",
        begun.elapsed()
    );
    assert!(states >= at_least, "{name}: {states} states are too few");
}
