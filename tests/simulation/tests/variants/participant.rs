//! Participants that are broken: they do the right things in the wrong order, or take one command
//! for another.

use saga_simulation::{Act, Parts};

use crate::found;

#[test]
fn a_barrier_that_commits_after_the_work_is_found() {
    let serve = &[Act::Work, Act::Remember, Act::Reply, Act::Acknowledge];
    found("a barrier that commits after the work", Parts { serve, ..Parts::default() });
}

#[test]
fn an_answer_before_the_work_is_found() {
    let serve = &[Act::Promise, Act::Reply, Act::Acknowledge, Act::Commit];
    found("a participant that answers before its commit", Parts { serve, ..Parts::default() });
}

#[test]
fn a_barrier_that_goes_by_the_attempt_is_found() {
    let parts = Parts { identity: |command| command.attempt, ..Parts::default() };
    found("a barrier to which another attempt is another command", parts);
}
