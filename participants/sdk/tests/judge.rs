//! The verdict on every combination of what the barrier remembers and what is asked.

use bytes::Bytes;
use saga_participant::barrier::{
    At, Found, HORIZON, Question, Record, Refused, State, Verdict, judge,
};
use saga_protocol::{BodyHash, Knowledge, Timestamp};

/// What is asked, in the order of the columns of [`TABLE`].
const COLUMNS: [&str; 4] = ["action", "undo, completed", "undo, unknown", "query"];

/// What is answered in time, to a saga that began lately. Rows: the action's row, then the
/// compensation's; `other` is a row that was written for another body than the one asked with.
const TABLE: [(&str, &str, [&str; 4]); 14] = [
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
];

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
            Verdict::Work | Verdict::LeaveTombstone => Verdict::Refuse(Refused::Expired),
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

/// Every combination, with the verdict in time.
fn everywhere(check: impl Fn(&Found, Question, &Verdict)) {
    for (action, compensation, _) in TABLE {
        for column in COLUMNS {
            let (found, question) = (found(action, compensation), question(column));
            check(&found, question, &judge(&found, question, in_time()));
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
        unknown => panic!("no state `{unknown}`"),
    };
    let body = if other { BodyHash::of(b"other") } else { asked() };
    Some(Record { state, body, reply: Bytes::from_static(reply.as_bytes()) })
}

fn said(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Work => "work",
        Verdict::Repeat(reply) if reply == "undo" => "repeat undo",
        Verdict::Repeat(_) => "repeat",
        Verdict::LeaveTombstone => "leave tombstone",
        Verdict::NothingToUndo => "nothing to undo",
        Verdict::CompensatedAlready => "compensated",
        Verdict::NoTrace => "no trace",
        Verdict::Refuse(Refused::BodyMismatch) => "body mismatch",
        Verdict::Refuse(Refused::EffectMissing) => "effect missing",
        Verdict::Refuse(Refused::Expired) => "expired",
    }
}
