//! Whatever is noted moves its counter, and nobody's words but ours become labels.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use saga_core::{
    Birth, Definition, advance,
    saga::{Answer, At, Cause, Event, Order, Rejection, Verb},
};
use saga_protocol::{
    Fault, HeaderValue, Message, Outcome, Phase, ReplyBody, SagaId, StepName, Timestamp,
};
use serde_json::value::RawValue;

use super::{families::name, *};
use crate::letter::letter;

const DEFINITION: &str = "
saga: test
steps:
  - { name: a, participant: pay, action: act, compensation: undo }
  - { name: b, participant: ship, action: act, kind: pivot }
";
const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

/// A saga that moves, and what is counted of it.
struct Story {
    definition: Arc<Definition>,
    saga: Saga,
    metrics: Metrics,
}

impl Story {
    fn start() -> Self {
        let definition = Arc::new(Definition::parse("test.yaml", DEFINITION).unwrap());
        let known = (PathBuf::from("test.yaml"), Arc::clone(&definition));
        let metrics = Metrics::new(&Definitions::of(vec![known]).unwrap());
        let input = RawValue::from_string("{}".to_owned()).unwrap();
        let birth = Birth { id: SagaId(uuid::Uuid::nil()), key: None, input };
        let first = Saga::start(&definition, birth, At { now: START, draw: 0 });
        metrics.started(&first.saga, &first.notes);
        Self { definition, saga: first.saga, metrics }
    }

    /// Something happens `millis` after the start.
    fn event(&mut self, millis: u64, event: &Event) {
        let at = At { now: START.after(Duration::from_millis(millis)), draw: 0 };
        let next = advance(&self.definition, &self.saga, event, at).unwrap();
        let mut moves = Moves::default();
        moves.note(event);
        self.saga = next.saga;
        self.metrics.moved(&self.saga, moves, &next.notes);
    }

    fn note(&self, note: Note) {
        self.metrics.moved(&self.saga, Moves::default(), &[note]);
    }

    /// Every series that is not 0.
    fn counted(&self) -> BTreeMap<String, f64> {
        let text = self.metrics.text();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| line.rsplit_once(' ').unwrap());
        let samples = samples.map(|(series, value)| (series.to_owned(), value.parse().unwrap()));
        samples.filter(|(_, value)| *value != 0.0).collect()
    }

    /// What has moved since then, buckets aside.
    #[track_caller]
    fn moved(&self, before: &BTreeMap<String, f64>, expected: &[(&str, f64)]) {
        let mut moved = self.counted();
        moved.retain(|series, value| {
            *value -= before.get(series).unwrap_or(&0.0);
            *value != 0.0 && !series.contains("_bucket{")
        });
        let expected = expected.iter().map(|(series, value)| ((*series).to_owned(), *value));
        assert_eq!(moved, expected.collect());
    }
}

fn reply(step: &str, phase: Phase, body: ReplyBody) -> Event {
    let step = StepName::new(step).unwrap();
    Event::Reply(Answer { step, phase, attempt: 1, command_hash: None, participant: None, body })
}

fn order(verb: Verb) -> Event {
    Event::Operator(Order { verb, actor: "me".to_owned(), reason: "why".to_owned() })
}

#[test]
fn a_saga_is_counted_and_timed_from_its_start_to_its_end() {
    let mut story = Story::start();
    story.moved(
        &BTreeMap::new(),
        &[
            (r#"saga_started_total{definition="test"}"#, 1.0),
            (r#"saga_transitions_total{definition="test",event="start"}"#, 1.0),
        ],
    );
    let before = story.counted();
    story.event(250, &reply("a", Phase::Action, ReplyBody::completed(None)));
    let refused = ReplyBody::not_completed(Outcome::Rejected, Fault::new("no_ship", ""));
    story.event(1_000, &reply("b", Phase::Action, refused));
    story.event(3_000, &reply("a", Phase::Compensation, ReplyBody::completed(None)));
    let action = r#"{participant="pay",phase="action",outcome="completed"}"#;
    let refusal = r#"{participant="ship",phase="action",outcome="rejected"}"#;
    let undo = r#"{participant="pay",phase="compensation",outcome="completed"}"#;
    let step = |what, labels| format!("saga_step_duration_seconds_{what}{labels}");
    let ended = r#"{definition="test",status="compensated"}"#;
    story.moved(
        &before,
        &[
            (r#"saga_transitions_total{definition="test",event="reply"}"#, 3.0),
            (r#"saga_turned_back_total{cause="no_ship"}"#, 1.0),
            (&step("count", action), 1.0),
            (&step("sum", action), 0.25),
            (&step("count", refusal), 1.0),
            (&step("sum", refusal), 0.75),
            (&step("count", undo), 1.0),
            (&step("sum", undo), 2.0),
            (&format!("saga_ended_total{ended}"), 1.0),
            (&format!("saga_duration_seconds_count{ended}"), 1.0),
            (&format!("saga_duration_seconds_sum{ended}"), 3.0),
        ],
    );
    let within = |le| {
        let labels = r#"definition="test",status="compensated""#;
        let series = format!(r#"saga_duration_seconds_bucket{{le="{le}",{labels}}}"#);
        story.counted().get(&series).copied()
    };
    assert_eq!((within("2.5"), within("5.0"), within("+Inf")), (None, Some(1.0), Some(1.0)));
}

#[test]
fn time_and_operators_are_told_apart() {
    let mut story = Story::start();
    let before = story.counted();
    story.event(3_600_000, &Event::Due);
    story.event(3_600_001, &order(Verb::Abandon));
    let ended = r#"{definition="test",status="abandoned"}"#;
    story.moved(
        &before,
        &[
            (r#"saga_transitions_total{definition="test",event="due"}"#, 1.0),
            (r#"saga_transitions_total{definition="test",event="operator"}"#, 1.0),
            (&format!("saga_ended_total{ended}"), 1.0),
            (&format!("saga_duration_seconds_count{ended}"), 1.0),
            (&format!("saga_duration_seconds_sum{ended}"), 3_600.001),
        ],
    );
}

#[test]
fn every_note_moves_its_counter() {
    let story = Story::start();
    let step = StepName::new("a").unwrap();
    let cause = Cause { code: "timeout".to_owned(), message: "secret".to_owned(), step: None };
    let stuck = Note::Stuck { step: step.clone(), fault: Fault::new("effect_missing", "secret") };
    let contradiction = Note::Contradiction { step: step.clone(), message: "secret".to_owned() };
    let cases = [
        (Note::TurnedBack(cause), r#"saga_turned_back_total{cause="timeout"}"#),
        (stuck, r#"saga_stuck_total{cause="effect_missing"}"#),
        (Note::Overdue, r#"saga_overdue_total{definition="test"}"#),
        (Note::Late { step }, r#"saga_late_answers_total{definition="test"}"#),
        (contradiction, r#"saga_contradictions_total{definition="test"}"#),
    ];
    for (note, series) in cases {
        let before = story.counted();
        story.note(note);
        story.moved(&before, &[(series, 1.0)]);
    }
    assert!(!story.metrics.text().contains("secret"));
}

#[test]
fn every_reason_is_a_word_of_ours() {
    let story = Story::start();
    let metrics = &story.metrics;
    let code = "pivot_sent";
    let refused = Rejection::Refused { code, message: "m".to_owned(), status: Status::Running };
    for rejection in [Rejection::Duplicate, Rejection::Stale, Rejection::BodyMismatch, refused] {
        let before = story.counted();
        metrics.rejected(rejection.reason());
        let series = format!(r#"saga_rejections_total{{reason="{}"}}"#, rejection.reason());
        story.moved(&before, &[(&series, 1.0)]);
    }
    for refusal in Refusal::ALL {
        let before = story.counted();
        metrics.refused(refusal);
        let series = format!(r#"saga_starts_refused_total{{reason="{}"}}"#, refusal.as_str());
        story.moved(&before, &[(&series, 1.0)]);
    }
    let returned = Unpublished::Returned("pay".to_owned());
    for (why, word) in [
        (returned, "returned"),
        (Unpublished::Refused, "refused"),
        (Unpublished::Unconfirmed, "unconfirmed"),
        (Unpublished::Down("gone".to_owned()), "down"),
    ] {
        let before = story.counted();
        metrics.unconfirmed(&why);
        let series = format!(r#"saga_commands_unconfirmed_total{{reason="{word}"}}"#);
        story.moved(&before, &[(&series, 1.0)]);
    }
    let text = || "why".to_owned();
    for (error, class) in [
        (Error::Transient(text()), "transient"),
        (Error::Unknown(text()), "unknown"),
        (Error::Conflict(text()), "conflict"),
        (Error::Permanent(text()), "permanent"),
    ] {
        let before = story.counted();
        metrics.store_failed(&error);
        let series = format!(r#"saga_database_errors_total{{class="{class}"}}"#);
        story.moved(&before, &[(&series, 1.0)]);
    }
}

#[test]
fn what_is_sent_kept_and_set_aside_is_counted() {
    let story = Story::start();
    let metrics = &story.metrics;
    let pay = ParticipantName::new("pay").unwrap();
    let commands: Vec<_> =
        story.saga.commands(&story.definition).into_iter().map(|one| one.command).collect();
    let before = story.counted();
    metrics.sent_again(&pay, 3);
    metrics.restored(&commands);
    metrics.sidelined(false);
    metrics.sidelined(true);
    metrics.panicked("timers");
    let (one, two) = (metrics.in_flight(), metrics.in_flight());
    drop(one);
    story.moved(
        &before,
        &[
            (r#"saga_commands_resent_total{participant="pay"}"#, 3.0),
            (r#"saga_commands_restored_total{participant="pay"}"#, 1.0),
            ("saga_looks_sidelined_total", 2.0),
            (r#"saga_stuck_total{cause="internal_error"}"#, 1.0),
            (r#"saga_loop_panics_total{loop="timers"}"#, 1.0),
            ("saga_replies_in_flight", 1.0),
        ],
    );
    drop(two);
    assert!(metrics.text().contains("\nsaga_replies_in_flight 0\n"));
}

#[test]
fn letters_are_counted_by_our_words_whatever_they_say() {
    let story = Story::start();
    let mut message = Message::new("{".into());
    message.headers.insert("x-first-death-queue".to_owned(), HeaderValue::Text("evil".to_owned()));
    for (source, reason, labels) in [
        ("saga.replies", "malformed: evil", r#"reason="malformed",source="saga.replies""#),
        (
            "saga.commands.pay",
            "delivery_limit",
            r#"reason="delivery_limit",source="saga.commands.pay""#,
        ),
        ("saga.commands.evil", "rejected", r#"reason="rejected",source="other""#),
        ("saga.dead", "evil: malformed", r#"reason="other",source="saga.dead""#),
    ] {
        let before = story.counted();
        story.metrics.parked(&[letter(&message, source, reason)]);
        story.moved(&before, &[(&format!("saga_messages_parked_total{{{labels}}}"), 1.0)]);
    }
    assert!(!story.metrics.text().contains("evil"));
}

/// Makes one of everything, since a family that has counted nothing is not shown.
#[test]
fn the_documentation_lists_every_metric() {
    let mut story = Story::start();
    let metrics = &story.metrics;
    let letter = letter(&Message::new("{".into()), "saga.replies", "malformed");
    metrics.parked(&[letter]);
    metrics.unconfirmed(&Unpublished::Refused);
    metrics.panicked("timers");
    metrics.bus_is(&Health::Up { connections: 1 });
    story.note(Note::TurnedBack(Cause { code: String::new(), message: String::new(), step: None }));
    metrics.stuck("");
    story.event(1, &reply("a", Phase::Action, ReplyBody::completed(None)));

    let text = story.metrics.text();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let names = types.map(|(name, kind)| {
        let suffix = if kind == "counter" { "_total" } else { "" };
        (format!("{name}{suffix}"), kind.to_owned())
    });
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = std::fs::read_to_string(root.join("docs/metrics.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `saga_"));
    let listed = rows.map(|row| {
        let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
        (format!("saga_{}", cells.next().unwrap()), cells.next().unwrap())
    });
    assert_eq!(names.collect::<BTreeMap<_, _>>(), listed.collect());
}

#[test]
fn no_participant_can_make_the_answer_grow() {
    let codes = Codes::default();
    let told_apart = (0..10_000)
        .map(|number| codes.label(&format!("code_{number}")))
        .collect::<std::collections::BTreeSet<_>>();
    assert!(told_apart.len() < 500, "{} codes are told apart", told_apart.len());
    assert!(told_apart.contains(OTHER));
    assert_eq!(codes.label("code_0"), "code_0");
    assert_eq!(codes.label("timeout"), "timeout", "our own stay");
    for strange in ["", "a b", "a\"} 1\n", "Ä", &"x".repeat(64)] {
        assert_eq!(codes.label(strange), OTHER, "{strange}");
    }
}

#[test]
fn connections_are_counted_and_the_state_is_one_of_three() {
    let story = Story::start();
    let metrics = &story.metrics;
    let is = |state| {
        let label = [name("state", state)];
        metrics.families.bus_state.get_or_create_owned(&label).get()
    };
    let reason = || "why".to_owned();
    for (health, states) in [
        (Health::Down { reason: reason() }, [0, 0, 1]),
        (Health::Up { connections: 1 }, [1, 0, 0]),
        (Health::Blocked { reason: reason() }, [0, 1, 0]),
        (Health::Up { connections: 3 }, [1, 0, 0]),
        (Health::Down { reason: reason() }, [0, 0, 1]),
    ] {
        metrics.bus_is(&health);
        assert_eq!(["up", "blocked", "down"].map(is), states, "{health:?}");
    }
    assert!(metrics.text().contains("\nsaga_bus_connections_total 3\n"));
}
