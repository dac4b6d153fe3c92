//! What clients were told, what was sent, and what could not be processed.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Seen, SentCommand, Violation, saga::Replayed};

pub(crate) fn check(seen: &Seen, replayed: &[Replayed<'_>]) -> Vec<Violation> {
    let mut violations = check_accepted(seen);
    violations.extend(check_told(seen));
    violations.extend(check_sent(seen, replayed));
    violations.extend(check_bytes(seen, replayed));
    let letters: BTreeSet<_> = seen.letters.iter().collect();
    let lost = seen.unprocessable.iter().filter(|message| !letters.contains(&message.sha256));
    violations.extend(lost.map(|message| {
        Violation::new("what cannot be processed is parked", message.what.as_str())
    }));
    violations
}

/// A start that was accepted is there, and the same key is the same saga.
fn check_accepted(seen: &Seen) -> Vec<Violation> {
    let mut violations = Vec::new();
    let sagas: BTreeSet<_> = seen.sagas.iter().map(|saga| saga.id).collect();
    let mut by_key = BTreeMap::new();
    for accepted in &seen.accepted {
        let id = accepted.id;
        if !sagas.contains(&id) {
            violations.push(Violation::new("an accepted start exists", id.to_string()));
        }
        let Some(key) = &accepted.key else { continue };
        let first = *by_key.entry(key).or_insert(id);
        if first != id {
            let what = format!("`{key}` is {first} and {id}");
            violations.push(Violation::new("the same key is the same saga", what));
        }
    }
    violations
}

/// Nothing leaves an end that somebody was told of.
fn check_told(seen: &Seen) -> Vec<Violation> {
    let statuses: BTreeMap<_, _> = seen.sagas.iter().map(|saga| (saga.id, &saga.status)).collect();
    let others = seen.told.iter().filter(|(id, told)| statuses.get(id) != Some(&told));
    let violation = |(id, told): &(_, String)| {
        let what = format!("{id} was said to be {told}, and is {:?}", statuses.get(id));
        Violation::new("an end that was told is the end", what)
    };
    others.map(violation).collect()
}

/// No command left before the transition that decided it was committed.
fn check_sent(seen: &Seen, replayed: &[Replayed<'_>]) -> Vec<Violation> {
    let by_id: BTreeMap<_, _> = replayed.iter().map(|saga| (saga.seen.id, saga)).collect();
    let known: BTreeSet<_> = seen.sagas.iter().map(|saga| saga.id).collect();
    let mut violations = Vec::new();
    for SentCommand { saga_id, step, phase, attempt, committed, .. } in &seen.sent {
        // What cannot be replayed is a violation already.
        if known.contains(saga_id) && !by_id.contains_key(saga_id) {
            continue;
        }
        let decided = by_id.get(saga_id).and_then(|saga| {
            let decides = |sent: &crate::saga::Sent| {
                (&sent.step, sent.phase, sent.attempt) == (step, *phase, *attempt)
            };
            let entry = saga.entries.iter().find(|entry| entry.sent.iter().any(decides))?;
            Some(entry.version)
        });
        if decided.is_none_or(|version| version > *committed) {
            let what = format!("{saga_id} {phase} {attempt} of `{step}` at version {committed}");
            violations.push(Violation::new("no command leaves before its commit", what));
        }
    }
    violations
}

/// Every attempt of a command carries the same bytes, so that a barrier knows them for the same;
/// and what was taken for its answer answers these bytes.
fn check_bytes(seen: &Seen, replayed: &[Replayed<'_>]) -> Vec<Violation> {
    let mut first = BTreeMap::new();
    let mut violations = Vec::new();
    for SentCommand { saga_id, step, phase, attempt, body, .. } in &seen.sent {
        if *first.entry((*saga_id, step, phase.as_str())).or_insert(*body) != *body {
            let what = format!("{saga_id} {phase} {attempt} of `{step}` has others");
            violations.push(Violation::new("each attempt carries the same bytes", what));
        }
    }
    let events = replayed
        .iter()
        .flat_map(|saga| saga.entries.iter().map(|entry| (saga.seen.id, &entry.event)));
    for (id, event) in events {
        let (Some(step), Some(phase)) = (&event.step, event.phase) else { continue };
        let sent = first.get(&(id, step, phase.as_str()));
        let answered = event.command_sha256.as_deref();
        if let Some((sent, answered)) = sent.zip(answered).filter(|(s, a)| s.to_string() != *a) {
            let what = format!("{id} {phase} of `{step}`: {answered} is not {sent}");
            violations.push(Violation::new("an answer is to what was asked", what));
        }
    }
    violations
}
