//! What is new between two looks. Pure: looks come in, sagas to tell of go out.

use std::collections::BTreeMap;

use saga_protocol::Timestamp;

use super::look::{Found, Look, late};
use crate::cli::view::{Saga, Text};

/// What was seen of the sagas, so that every change is told once.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Those in flight, and those that ended and may be found again, by their id.
    sagas: BTreeMap<String, Seen>,
    /// What ended and was created before was told, or is older than the watch. None before the
    /// first look.
    since: Option<Timestamp>,
    looks: u64,
}

#[derive(Debug)]
struct Seen {
    face: Face,
    created_at: Timestamp,
    is_over: bool,
    /// The number of the last look that found it.
    look: u64,
}

/// What a saga is told of by.
#[derive(Debug, PartialEq, Eq)]
struct Face {
    status: Text,
    paused: bool,
    steps: Vec<Text>,
}

impl Known {
    /// The time since when what ended has to be looked at.
    pub(super) fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// Takes in a look, and answers what to tell of, in the order in which it happened. The first
    /// look tells of what is in flight alone.
    pub(super) fn take(&mut self, look: Look) -> Vec<Found> {
        self.looks += 1;
        let found = look.active.into_iter().chain(look.ended);
        let mut newest = None;
        let mut told: Vec<_> = found
            .filter(|found| {
                newest = newest.max(Some(found.saga.created_at));
                self.is_new(&found.saga)
            })
            .collect();
        told.sort_by_key(|found| found.saga.updated_at);
        // Where there is nothing yet, everything that comes is new.
        let newest = newest.map_or(Timestamp::from_micros(i64::MIN), late);
        let since = self.since.map_or(newest, |since| since.max(newest));
        self.since = Some(since);
        self.sagas.retain(|_, seen| !seen.is_over || seen.created_at >= since);
        told
    }

    /// Sagas that were in flight and that the last look did not find, at most so many, those first
    /// that were not found for longest: each has ended, or stands behind too many others.
    pub(super) fn missing(&self, max: usize) -> Vec<String> {
        let missing = |seen: &Seen| !seen.is_over && seen.look < self.looks;
        let mut missing: Vec<_> = self.sagas.iter().filter(|(_, seen)| missing(seen)).collect();
        missing.sort_by_key(|(_, seen)| seen.look);
        missing.into_iter().take(max).map(|(id, _)| id.clone()).collect()
    }

    /// Takes in a saga that was looked at by itself, and answers whether to tell of it.
    pub(super) fn take_one(&mut self, saga: &Saga) -> bool {
        self.is_new(saga)
    }

    /// There is no such saga any more.
    pub(super) fn forget(&mut self, id: &str) {
        self.sagas.remove(id);
    }

    fn is_new(&mut self, saga: &Saga) -> bool {
        let is_over = saga.finished_at.is_some();
        let seen =
            Seen { face: Face::of(saga), created_at: saga.created_at, is_over, look: self.looks };
        let is_news = match self.sagas.get(saga.id.as_str()) {
            Some(known) => known.face != seen.face,
            None if is_over => self.since.is_some_and(|since| saga.created_at >= since),
            None => true,
        };
        self.sagas.insert(saga.id.to_string(), seen);
        is_news
    }
}

impl Face {
    fn of(saga: &Saga) -> Self {
        let steps = saga.current().map(|step| step.name.clone()).collect();
        Self { status: saga.status.clone(), paused: saga.paused, steps }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json, value::RawValue};

    use super::*;

    /// A saga that was created in this second, at this step; at none it is over.
    fn saga(id: &str, second: u32, status: &str, step: Option<&str>) -> Value {
        let at = format!("2026-11-25T05:41:{second:02}.000000Z");
        let steps = step.map(|name| {
            json!({ "name": name, "participant": name, "action": "act", "kind": "compensatable",
                "status": "running", "attempts": 1 })
        });
        json!({ "id": id, "definition": "order", "version": "3fa1b2c3d4e5", "status": status,
            "steps": Vec::from_iter(steps), "created_at": at, "updated_at": at,
            "finished_at": step.is_none().then_some(&at) })
    }

    fn found(document: &Value) -> Found {
        let saga = serde_json::from_value(document.clone()).unwrap();
        Found { saga, document: RawValue::from_string(document.to_string()).unwrap() }
    }

    fn told(known: &mut Known, active: &[&Value], ended: &[&Value]) -> Vec<String> {
        let [active, ended] =
            [active, ended].map(|sagas| sagas.iter().copied().map(found).collect());
        let told = known.take(Look { active, ended, ..Look::default() });
        told.iter().map(|found| format!("{} {}", found.saga.id, found.saga.status())).collect()
    }

    #[test]
    fn first_what_is_in_flight_then_every_change_once() {
        let mut known = Known::default();
        let old = saga("a", 1, "completed", None);
        let running = saga("b", 2, "running", Some("payment"));
        assert_eq!(told(&mut known, &[&running], &[&old]), ["b running"]);
        assert!(told(&mut known, &[&running], &[&old]).is_empty());
        let moved = saga("b", 2, "running", Some("shipping"));
        assert_eq!(told(&mut known, &[&moved], &[&old]), ["b running"]);
        let mut paused = moved.clone();
        paused["paused"] = json!(true);
        assert_eq!(told(&mut known, &[&paused], &[&old]), ["b running, paused"]);
        let back = saga("b", 2, "compensating", Some("shipping"));
        assert_eq!(told(&mut known, &[&back], &[&old]), ["b compensating"]);
        let over = saga("b", 2, "compensated", None);
        assert_eq!(told(&mut known, &[], &[&over, &old]), ["b compensated"]);
        assert!(told(&mut known, &[], &[&over, &old]).is_empty());
    }

    #[test]
    fn what_comes_and_ends_between_two_looks_is_told_even_where_nothing_was_before() {
        let mut known = Known::default();
        assert!(told(&mut known, &[], &[]).is_empty());
        let ended = [saga("b", 9, "compensated", None), saga("a", 1, "completed", None)];
        assert_eq!(told(&mut known, &[], &ended.each_ref()), ["a completed", "b compensated"]);
        // One that was begun before and committed after; one that is too old for that.
        let late = [saga("c", 8, "completed", None), saga("d", 6, "completed", None)];
        assert_eq!(told(&mut known, &[], &late.each_ref()), ["c completed"]);
        assert!(told(&mut known, &[], &late.each_ref()).is_empty());
    }

    #[test]
    fn one_that_ends_while_a_look_goes_on_is_told_as_it_was_and_as_it_is() {
        let mut known = Known::default();
        told(&mut known, &[], &[]);
        let (running, over) = (saga("a", 1, "running", Some("x")), saga("a", 1, "completed", None));
        assert_eq!(told(&mut known, &[&running], &[&over]), ["a running", "a completed"]);
    }

    #[test]
    fn what_was_in_flight_and_is_not_found_is_asked_for_until_its_end_is_known() {
        let mut known = Known::default();
        let [a, b] = ["a", "b"].map(|id| saga(id, 1, "running", Some("x")));
        told(&mut known, &[&a, &b], &[]);
        assert!(known.missing(9).is_empty());
        told(&mut known, &[&b], &[]);
        assert_eq!(known.missing(9), ["a"]);
        told(&mut known, &[], &[]);
        assert_eq!(known.missing(1), ["a"], "longest not found");
        assert!(!known.take_one(&found(&a).saga), "still in flight, behind many others");
        assert_eq!(known.missing(9), ["b"]);
        assert!(known.take_one(&found(&saga("b", 1, "abandoned", None)).saga));
        known.forget("a");
        told(&mut known, &[], &[]);
        assert!(known.missing(9).is_empty());
    }

    #[test]
    fn what_is_over_is_not_kept_for_ever() {
        let mut known = Known::default();
        let [a, b] = ["a", "b"].map(|id| saga(id, 1, "completed", None));
        told(&mut known, &[&saga("b", 1, "running", Some("x"))], &[&a]);
        told(&mut known, &[&saga("c", 30, "running", Some("x"))], &[&b]);
        assert_eq!(known.sagas.keys().collect::<Vec<_>>(), ["c"]);
    }
}
