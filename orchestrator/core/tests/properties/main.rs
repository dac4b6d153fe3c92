//! What holds of every saga, whatever its definition and whatever happens to it. A failure prints
//! the smallest definition and the shortest history that it was shrunk to.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod choices;
mod definitions;
mod history;
#[path = "../shared/reload.rs"]
mod reload;

use proptest::{collection::vec, prelude::*};
use saga_core::saga::{Answer, Event, Status};
use saga_protocol::{Phase, ReplyBody};
use serde_json::value::RawValue;

use crate::history::History;

/// Enough to meet each rare turn many times, few enough for a few seconds.
const CASES: u32 = 2_000;
/// The longest history: about twice what the largest definition needs to be undone.
const EVENTS_MAX: usize = 60;

/// A fixed number of cases, and no file for those that failed: each prints itself whole.
fn config() -> ProptestConfig {
    ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Nothing panics; versions count up; statuses, steps, looks and commands fit together; the
    /// stored form and the journal lead back to the same saga. Once every command is answered, the
    /// saga comes to an end, or needs an operator.
    #[test]
    fn any_history_of_any_definition_is_sound_and_comes_to_an_end_once_all_is_answered(
        plan in definitions::whatever(),
        draw: u32,
        choices in vec(choices::whatever(), 0..EVENTS_MAX),
    ) {
        let definition = plan.definition();
        let mut history = History::start(&definition, draw);
        for (choice, draw) in &choices {
            choice.play(&mut history, *draw);
        }
        answer_all(&mut history);
        history.check_replay();
        let saga = &history.saga;
        let is_held = saga.status() == Status::Stuck || saga.paused_at.is_some();
        prop_assert!(saga.is_ended() || is_held, "it is {} for ever", saga.status());
    }

    /// Where every participant does what it is told, every step is asked once and the saga
    /// completes.
    #[test]
    fn a_saga_whose_commands_are_all_completed_completes(plan in definitions::sound(), draw: u32) {
        let definition = plan.definition();
        let mut history = History::start(&definition, draw);
        answer_all(&mut history);
        history.check_replay();
        prop_assert_eq!(history.saga.status(), Status::Completed);
        let attempts = history.saga.steps(&definition).iter().map(|step| step.attempts).max();
        prop_assert!(attempts <= Some(1));
    }
}

/// Answers every command as completed, and lets time pass where none is unanswered, until nothing
/// moves any more.
fn answer_all(history: &mut History<'_>) {
    // Each step has an action and a compensation, each with a wait before it; and there is the
    // deadline.
    let bound = 4 * history.definition.steps.len() + 1;
    for _ in 0..=bound {
        let commands = history.saga.commands(history.definition);
        let event = match commands.first() {
            Some(sent) => Event::Reply(Answer {
                step: sent.command.step.clone(),
                phase: sent.command.phase,
                attempt: sent.command.attempt,
                command_hash: None,
                participant: None,
                body: ReplyBody::completed(output(sent.command.phase)),
            }),
            None => match history.saga.next_due() {
                Some(due) => {
                    history.now = history.now.max(due);
                    Event::Due
                }
                None => return,
            },
        };
        history.happen(&event, 0).unwrap();
    }
    panic!("it still moves after {bound} events");
}

/// An output that fits every step.
fn output(phase: Phase) -> Option<saga_protocol::Json> {
    let output = RawValue::from_string(r#"{"id":1}"#.to_owned()).unwrap();
    (phase == Phase::Action).then_some(output)
}
