//! The verdict on every combination of what the barrier remembers and what is asked.

use std::time::Duration;

use bytes::Bytes;
use saga_participant::barrier::{
    At, Found, HORIZON, Question, Record, Refused, State, Verdict, judge,
};
use saga_protocol::{BodyHash, Knowledge, Timestamp};

const SECOND: Duration = Duration::from_secs(1);

/// What is asked, in the order of the columns of [`TABLE`].
const COLUMNS: [&str; 4] = ["action", "undo, completed", "undo, unknown", "query"];

/// What is answered in time, to a saga that began lately. Rows: the action's row, then the
/// compensation's; `other` is a row that was written for another body than the one asked with. Of
/// an intent, `held` is one that somebody is at, `lapsed` one whose lease ends now, `given-up` one
/// that waits for the next attempt.
const TABLE: [(&str, &str, [&str; 4]); 29] = [
    ("none", "none", ["work", "effect missing", "leave tombstone", "no trace"]),
    ("completed", "none", ["repeat", "work", "work", "repeat"]),
    ("completed other", "none", ["body mismatch", "work", "work", "repeat"]),
    ("rejected", "none", ["repeat", "effect missing", "nothing to undo", "repeat"]),
    ("rejected other", "none", ["body mismatch", "effect missing", "nothing to undo", "repeat"]),
    ("tombstone", "none", ["compensated", "effect missing", "repeat", "compensated"]),
    ("tombstone other", "none", ["compensated", "effect missing", "body mismatch", "compensated"]),
    ("none", "completed", ["work", "repeat undo", "repeat undo", "no trace"]),
    ("completed", "completed", ["repeat", "repeat undo", "repeat undo", "repeat"]),
    ("completed", "completed other", ["repeat", "body mismatch", "body mismatch", "repeat"]),
    ("completed other", "completed", ["body mismatch", "repeat undo", "repeat undo", "repeat"]),
    ("rejected", "completed", ["repeat", "repeat undo", "repeat undo", "repeat"]),
    ("tombstone", "completed", ["compensated", "repeat undo", "repeat undo", "compensated"]),
    (
        "tombstone",
        "completed other",
        ["compensated", "body mismatch", "body mismatch", "compensated"],
    ),
    ("held", "none", ["in progress", "not yet", "not yet", "undecided"]),
    ("held other", "none", ["body mismatch", "not yet", "not yet", "undecided"]),
    ("lapsed", "none", ["work", "work and bury", "work and bury", "undecided"]),
    ("lapsed other", "none", ["body mismatch", "work and bury", "work and bury", "undecided"]),
    ("given-up", "none", ["work", "work and bury", "work and bury", "undecided"]),
    ("given-up other", "none", ["body mismatch", "work and bury", "work and bury", "undecided"]),
    ("completed", "held", ["repeat", "in progress", "in progress", "repeat"]),
    ("completed", "held other", ["repeat", "body mismatch", "body mismatch", "repeat"]),
    ("completed", "lapsed", ["repeat", "work", "work", "repeat"]),
    ("completed", "lapsed other", ["repeat", "body mismatch", "body mismatch", "repeat"]),
    ("completed", "given-up", ["repeat", "work", "work", "repeat"]),
    ("completed", "given-up other", ["repeat", "body mismatch", "body mismatch", "repeat"]),
    ("tombstone", "held", ["compensated", "in progress", "in progress", "compensated"]),
    ("tombstone", "lapsed", ["compensated", "work", "work", "compensated"]),
    ("tombstone", "given-up", ["compensated", "work", "work", "compensated"]),
];
/// What a row may be.
const STATES: [&str; 7] =
    ["none", "completed", "rejected", "tombstone", "held", "lapsed", "given-up"];

#[test]
fn every_combination_has_the_answer_of_the_table() {
    for (action, compensation, answers) in TABLE {
        for (column, expected) in COLUMNS.into_iter().zip(answers) {
            let found = found(action, compensation);
            let verdict = said(&judge(&found, question(column), in_time()));
            assert_eq!(verdict, expected, "{column}, with {action} and {compensation}");
        }
    }
}

/// What would write something is refused after the deadline; what only answers is answered as ever.
#[test]
fn nothing_begins_after_the_deadline() {
    let late = At { now: in_time().deadline.after(HORIZON / 1_000), ..in_time() };
    everywhere(|found, question, verdict| {
        let expected = match verdict {
            Verdict::Work | Verdict::WorkAndBury | Verdict::LeaveTombstone => {
                Verdict::Refuse(Refused::Expired)
            }
            // Nobody is at it any more: its lease has passed too.
            Verdict::InProgress | Verdict::Refuse(Refused::InProgress) => {
                Verdict::Refuse(Refused::Expired)
            }
            other => other.clone(),
        };
        assert_eq!(judge(found, question, late), expected, "{found:?} {question:?}");
    });
}

/// Where rows may have been purged, a missing one proves nothing.
#[test]
fn nothing_to_undo_is_not_said_beyond_the_horizon() {
    let old = At { started: Timestamp::from_micros(0), ..in_time() };
    everywhere(|found, question, verdict| {
        let expected = match verdict {
            Verdict::LeaveTombstone => Verdict::Refuse(Refused::EffectMissing),
            other => other.clone(),
        };
        assert_eq!(judge(found, question, old), expected, "{found:?} {question:?}");
    });
}

/// What may have taken effect outside is undone, and never said to be nothing; and two are never at
/// one thing.
#[test]
fn an_intent_is_an_effect_until_it_is_known() {
    everywhere(|found, question, verdict| {
        let said = format!("{verdict:?} to {question:?}, with {found:?}");
        let (action, undo) = (state(found.action.as_ref()), state(found.compensation.as_ref()));
        let is_intent = |state| matches!(state, Some(State::Intent { .. }));
        let is_held = |state| {
            matches!(state, Some(State::Intent { until: Some(until) })
            if until > in_time().now)
        };
        if is_intent(action) {
            let nothing = [Verdict::NothingToUndo, Verdict::LeaveTombstone, Verdict::NoTrace];
            assert!(!nothing.contains(verdict), "{said}");
        }
        let works = [Verdict::Work, Verdict::WorkAndBury].contains(verdict);
        match question {
            Question::Action { .. } => assert!(!works || !is_held(action), "{said}"),
            Question::Compensation { .. } => {
                assert!(!works || !is_held(undo), "{said}");
                assert!(!works || !is_held(action) || undo.is_some(), "{said}");
                let buries = *verdict == Verdict::WorkAndBury;
                assert_eq!(buries, works && is_intent(action) && undo.is_none(), "{said}");
            }
            Question::Query => assert!(!works, "{said}"),
        }
        if matches!(verdict, Verdict::InProgress) {
            let own = if matches!(question, Question::Action { .. }) { action } else { undo };
            assert!(is_held(own), "nobody would answer: {said}");
        }
    });
}

fn state(record: Option<&Record>) -> Option<State> {
    record.map(|record| record.state)
}

/// Every combination, those that cannot come about too, with the verdict in time.
fn everywhere(check: impl Fn(&Found, Question, &Verdict)) {
    let rows = STATES.iter().flat_map(|state| [(*state).to_owned(), format!("{state} other")]);
    let rows: Vec<String> = rows.collect();
    for action in &rows {
        for compensation in &rows {
            for column in COLUMNS {
                let (found, question) = (found(action, compensation), question(column));
                check(&found, question, &judge(&found, question, in_time()));
            }
        }
    }
}

fn in_time() -> At {
    let started = Timestamp::from_micros(0).after(HORIZON * 2);
    At { started, now: started.after(HORIZON / 100), deadline: started.after(HORIZON / 50) }
}

fn asked() -> BodyHash {
    BodyHash::of(b"asked")
}

fn question(column: &str) -> Question {
    match column {
        "action" => Question::Action { body: asked() },
        "undo, completed" => Question::Compensation { body: asked(), action: Knowledge::Completed },
        "undo, unknown" => Question::Compensation { body: asked(), action: Knowledge::Unknown },
        "query" => Question::Query,
        other => panic!("no column `{other}`"),
    }
}

fn found(action: &str, compensation: &str) -> Found {
    Found { action: record(action, "action"), compensation: record(compensation, "undo") }
}

fn record(text: &str, reply: &'static str) -> Option<Record> {
    let (state, other) = match text.split_once(' ') {
        Some((state, _)) => (state, true),
        None => (text, false),
    };
    let state = match state {
        "none" => return None,
        "completed" => State::Completed,
        "rejected" => State::Rejected,
        "tombstone" => State::Tombstone,
        "held" => State::Intent { until: Some(in_time().now.after(SECOND)) },
        "lapsed" => State::Intent { until: Some(in_time().now) },
        "given-up" => State::Intent { until: None },
        unknown => panic!("no state `{unknown}`"),
    };
    let body = if other { BodyHash::of(b"other") } else { asked() };
    Some(Record { state, body, reply: Bytes::from_static(reply.as_bytes()) })
}

fn said(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Work => "work",
        Verdict::WorkAndBury => "work and bury",
        Verdict::InProgress => "in progress",
        Verdict::Undecided => "undecided",
        Verdict::Repeat(reply) if reply == "undo" => "repeat undo",
        Verdict::Repeat(_) => "repeat",
        Verdict::LeaveTombstone => "leave tombstone",
        Verdict::NothingToUndo => "nothing to undo",
        Verdict::CompensatedAlready => "compensated",
        Verdict::NoTrace => "no trace",
        Verdict::Refuse(Refused::BodyMismatch) => "body mismatch",
        Verdict::Refuse(Refused::EffectMissing) => "effect missing",
        Verdict::Refuse(Refused::Expired) => "expired",
        Verdict::Refuse(Refused::InProgress) => "not yet",
    }
}
