//! How long participants take: told of the attempt that is under way, and of nothing else.

use std::time::Duration;

use saga_core::{
    Birth, Definition, Saga, advance,
    saga::{Answer, At, Event, Note, Order, Verb},
};
use saga_protocol::{Outcome, Phase, ReplyBody, SagaId, StepName};
use serde_json::value::RawValue;

use crate::script::START;

const LINE: &str = "
saga: test
steps:
  - { name: a, participant: p, action: act, compensation: undo, timeout: 10s }
  - { name: b, participant: q, action: act, compensation: undo, query: ask, timeout: 10s }
";

/// What is told of each event: who answered, what, and after how many seconds.
fn told(events: &[(u64, Event)]) -> Vec<Option<(String, Phase, Outcome, u64)>> {
    let definition = Definition::parse("test.yaml", LINE).unwrap();
    let input = RawValue::from_string("{}".to_owned()).unwrap();
    let birth = Birth { id: SagaId(uuid::Uuid::nil()), key: None, input };
    let mut saga = Saga::start(&definition, birth, At { now: START, draw: 0 }).saga;
    let mut tell = |(seconds, event): &(u64, Event)| {
        let at = At { now: START.after(Duration::from_secs(*seconds)), draw: 0 };
        let next = advance(&definition, &saga, event, at).unwrap();
        saga = next.saga;
        next.notes.into_iter().find_map(|note| match note {
            Note::Answered { participant, phase, outcome, took } => {
                Some((participant.to_string(), phase, outcome, took.as_secs()))
            }
            _ => None,
        })
    };
    events.iter().map(&mut tell).collect()
}

fn answer(step: &str, phase: Phase, attempt: u32, outcome: Outcome) -> Event {
    let step = StepName::new(step).unwrap();
    let body = ReplyBody { outcome, output: None, error: None };
    Event::Reply(Answer { step, phase, attempt, command_hash: None, participant: None, body })
}

fn cancel() -> Event {
    Event::Operator(Order { verb: Verb::Cancel, actor: "me".to_owned(), reason: "why".to_owned() })
}

#[test]
fn each_answer_is_told_with_the_time_since_its_attempt() {
    let (action, undo) = (Phase::Action, Phase::Compensation);
    let (completed, failed) = (Outcome::Completed, Outcome::Failed);
    let who = |name: &str, phase, outcome, took| Some((name.to_owned(), phase, outcome, took));
    let events = [
        (2, answer("a", action, 1, failed)),
        (12, Event::Due),
        (15, answer("a", action, 2, completed)),
        (16, answer("b", action, 1, Outcome::Rejected)),
        (20, answer("a", undo, 1, completed)),
    ];
    let expected = [
        who("p", action, failed, 2),
        None,
        who("p", action, completed, 3),
        who("q", action, Outcome::Rejected, 1),
        who("p", undo, completed, 4),
    ];
    assert_eq!(told(&events), expected);
}

#[test]
fn nothing_is_told_of_answers_whose_attempt_is_over() {
    let (action, completed) = (Phase::Action, Outcome::Completed);
    let late = [
        (10, Event::Due),
        (20, Event::Due),
        (21, answer("a", action, 1, completed)),
        (31, Event::Due),
        (32, answer("b", Phase::Query, 1, completed)),
    ];
    assert_eq!(told(&late), vec![None; 5], "an earlier attempt; a question");
    let turned = [(1, cancel()), (2, answer("a", action, 1, completed))];
    assert_eq!(told(&turned), vec![None; 2], "its compensation is decided");
}
