//! Barriers that are broken: another verdict than the product's.

use saga_participant::barrier::{At, Found, Question, State, Verdict, judge};
use saga_protocol::ReplyBody;
use saga_simulation::Parts;
use serde_json::value::RawValue;

use crate::found;

fn barrier(what: &str, judge: fn(&Found, Question, At) -> Verdict) {
    found(what, Parts { judge, ..Parts::default() });
}

/// Whether the action of this step came to that.
fn is(found: &Found, state: State) -> bool {
    found.action.as_ref().is_some_and(|action| action.state == state)
}

#[test]
fn a_barrier_without_tombstones_is_found() {
    barrier("a barrier without tombstones", |found, question, at| {
        match judge(found, question, at) {
            Verdict::LeaveTombstone => Verdict::NothingToUndo,
            verdict => verdict,
        }
    });
}

#[test]
fn a_barrier_that_overlooks_tombstones_is_found() {
    barrier("a barrier that overlooks tombstones", |found, question, at| {
        match judge(found, question, at) {
            Verdict::CompensatedAlready => Verdict::Work,
            verdict => verdict,
        }
    });
}

#[test]
fn a_participant_without_a_barrier_is_found() {
    barrier("a participant without a barrier", |_, question, at| match question {
        Question::Action { .. } => judge(&Found::default(), question, at),
        Question::Compensation { .. } => Verdict::Work,
        Question::Query => Verdict::NoTrace,
    });
}

#[test]
fn an_action_that_is_repeated_is_found() {
    barrier("an action that is repeated", |found, question, at| {
        match (question, judge(found, question, at)) {
            (Question::Action { .. }, Verdict::Repeat(_)) => Verdict::Work,
            (_, verdict) => verdict,
        }
    });
}

#[test]
fn an_undoing_that_is_repeated_is_found() {
    barrier("an undoing that is repeated", |found, question, at| {
        match (question, judge(found, question, at)) {
            (Question::Compensation { .. }, Verdict::Repeat(_)) => Verdict::Work,
            (_, verdict) => verdict,
        }
    });
}

#[test]
fn a_refusal_that_is_not_remembered_is_found() {
    barrier("a refusal that is not remembered", |found, question, at| {
        let mut found = found.clone();
        found.action = found.action.filter(|action| action.state != State::Rejected);
        judge(&found, question, at)
    });
}

#[test]
fn an_undoing_of_nothing_is_found() {
    barrier("an undoing of what was not done", |found, question, at| {
        match judge(found, question, at) {
            Verdict::LeaveTombstone => Verdict::Work,
            verdict => verdict,
        }
    });
}

#[test]
fn an_undoing_that_does_nothing_is_found() {
    barrier("nothing to undo, it says, where the effect is", |found, question, at| {
        match (question, judge(found, question, at)) {
            (Question::Compensation { .. }, Verdict::Work) if is(found, State::Completed) => {
                Verdict::NothingToUndo
            }
            (_, verdict) => verdict,
        }
    });
}

#[test]
fn a_query_that_takes_no_trace_for_done_is_found() {
    barrier("a query that takes no trace for done", |found, question, at| {
        match judge(found, question, at) {
            Verdict::NoTrace => {
                let output = RawValue::from_string("{\"id\":\"q\"}".to_owned()).unwrap();
                Verdict::Repeat(ReplyBody::completed(Some(output)).to_bytes())
            }
            verdict => verdict,
        }
    });
}
