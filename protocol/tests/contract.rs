//! The contract as it stands on the wire: what others rely on must not change by accident.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use proptest::prelude::*;
use saga_protocol::{
    BodyHash, Command, DefinitionName, HeaderValue, Message, ParticipantName, Phase, Reply,
    ReplyBody, SagaId, StepKind, StepName, Timestamp, TraceContext, headers, limits,
    topology::{self, Argument},
};
use uuid::Uuid;

/// Queue arguments that mean the same on RabbitMQ 3.10 and on 4.x, and the values we may give them.
/// A broker refuses an argument that it does not know, and one that differs from those of a queue
/// that exists: a change here is a migration for whoever runs the product.
fn valid_everywhere(name: &str, value: &Argument) -> bool {
    match (name, value) {
        ("x-queue-type", Argument::Text(text)) => *text == "quorum",
        ("x-dead-letter-strategy", Argument::Text(text)) => *text == "at-least-once",
        // What at-least-once dead-lettering takes, and the only other policy of quorum queues.
        ("x-overflow", Argument::Text(text)) => *text == "reject-publish",
        ("x-dead-letter-exchange" | "x-dead-letter-routing-key", Argument::Text(text)) => {
            !text.is_empty()
        }
        (
            "x-delivery-limit" | "x-message-ttl" | "x-max-length" | "x-max-length-bytes"
            | "x-expires",
            Argument::Number(number),
        ) => *number > 0,
        // Among others: `x-queue-mode`, `x-queue-version`, `ha-…` (gone in 4.x), `x-max-priority`
        // (refused by quorum queues), `x-delayed-retry-…` (ignored before 4.3).
        _ => false,
    }
}

#[test]
fn every_queue_argument_is_valid_on_3_10_and_on_4() {
    let mut queues = topology::common_queues().to_vec();
    queues.push(topology::participant_queue(&ParticipantName::new("payment").unwrap()));
    for queue in &queues {
        for (name, value) in &queue.arguments {
            assert!(valid_everywhere(name, value), "`{}`: `{name}` = {value:?}", queue.name);
        }
        let argument = |wanted| queue.arguments.iter().find(|(name, _)| *name == wanted);
        assert!(argument("x-queue-type").is_some(), "`{}` is a quorum queue", queue.name);
        // Since 4.0 there is a limit of 20 where none is said, and what passes it is deleted.
        let limited = argument("x-delivery-limit").is_some();
        let dead_lettered = argument("x-dead-letter-exchange").is_some()
            && argument("x-dead-letter-strategy").is_some()
            && argument("x-overflow").is_some();
        assert_eq!((limited, dead_lettered), (queue.name != topology::DEAD, limited));
        let exchanges = topology::exchanges().map(|exchange| exchange.name);
        assert!(exchanges.contains(&queue.binding.0), "`{}` is bound to nothing", queue.name);
    }
    let names: Vec<_> = queues.iter().map(|queue| queue.name.as_str()).collect();
    assert_eq!(names, ["saga.dead", "saga.replies", "saga.commands.payment"], "in this order");
}

fn command() -> Command {
    Command {
        saga_id: SagaId(Uuid::from_u128(7)),
        definition: DefinitionName::new("order").unwrap(),
        step: StepName::new("payment").unwrap(),
        phase: Phase::Action,
        kind: StepKind::Compensatable,
        participant: ParticipantName::new("payment").unwrap(),
        action: "charge".to_owned(),
        attempt: 2,
        started: Timestamp::from_micros(1_700_000_000_000_001),
        deadline: Timestamp::from_micros(1_700_000_000_000_000).after(limits::COMMAND_LIFETIME),
        body: Bytes::from_static(br#"{"amount":4200}"#),
        trace: Some(TRACE.parse::<TraceContext>().unwrap()),
    }
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOW: Timestamp = Timestamp::from_micros(1_700_000_003_000_000);
/// SHA-256 of the command's body, as `sha256sum` has it.
const SHA256: &str = "c6a6831ac1abd02d15c339d34514c7a2171bdf61f88762075e8af6ddb70764c8";

#[test]
fn a_command_reads_on_the_wire_as_the_documentation_says() {
    let message = command().to_message(Uuid::now_v7(), NOW);
    let hash = BodyHash::of(&command().body).to_string();
    let text = |value: &str| HeaderValue::Text(value.to_owned());
    let expected = BTreeMap::from([
        ("saga-definition", text("order")),
        ("saga-step", text("payment")),
        ("saga-phase", text("action")),
        ("saga-kind", text("compensatable")),
        ("saga-attempt", HeaderValue::Number(2)),
        ("saga-started", text("2023-11-14T22:13:20.000001Z")),
        ("saga-deadline", text("2023-11-15T22:13:20.000000Z")),
        ("saga-body-sha256", text(&hash)),
        ("traceparent", text(TRACE)),
    ]);
    let expected = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(message.headers, expected);
    assert_eq!(hash, SHA256);
    let id = "00000000-0000-0000-0000-000000000007";
    assert_eq!(message.correlation_id.as_deref(), Some(id));
    assert_eq!(message.kind.as_deref(), Some("payment.charge"));
    assert_eq!(message.reply_to.as_deref(), Some("saga.replies"));
    assert_eq!(message.timestamp, Some(NOW));
    assert_eq!(Command::from_message(&message), Ok(command()));
}

#[test]
fn a_reply_echoes_the_identity_of_its_command() {
    let body = Bytes::from_static(br#"{"outcome":"rejected","error":{"code":"no"},"extra":1}"#);
    let message = Reply::message(&command(), body, NOW);
    let reply = Reply::from_message(&message).unwrap();
    assert_eq!((reply.saga_id, reply.phase), (command().saga_id, Phase::Action));
    assert_eq!((&reply.step, reply.attempt), (&command().step, 2));
    assert_eq!(reply.command_hash, Some(BodyHash::of(&command().body)));
    assert_eq!(reply.participant, Some(command().participant));
    assert_eq!(reply.trace, command().trace);
    assert_eq!(reply.body.error.map(|fault| fault.code), Some("no".to_owned()));
}

type Change = fn(&mut Message);

#[test]
fn what_is_wrong_with_a_message_is_named() {
    let wrong = |change: Change| {
        let mut message = command().to_message(Uuid::now_v7(), NOW);
        change(&mut message);
        Command::from_message(&message).map(|_| ()).map_err(|error| error.to_string())
    };
    let changes: [(Change, &str); 9] = [
        (|m| m.correlation_id = None, "`correlation_id` is missing"),
        (|m| m.correlation_id = Some("7".to_owned()), "`correlation_id` is not valid"),
        (|m| m.kind = Some("payment".to_owned()), "`type` is not valid: it takes"),
        (|m| drop(m.headers.remove(headers::STEP)), "`saga-step` is missing"),
        (|m| m.set(headers::STEP, "Pay ment"), "`saga-step` is not valid: `Pay ment` is not"),
        (|m| m.set(headers::PHASE, "sideways"), "`saga-phase` is not valid: it takes `action`"),
        (|m| m.set_number(headers::ATTEMPT, -1), "`saga-attempt` is not valid"),
        (|m| m.body = Bytes::from_static(b"{}"), "`saga-body-sha256` is not valid: the body"),
        (|m| m.body = vec![b' '; limits::BODY_BYTES_MAX + 1].into(), "body has 1048577 bytes"),
    ];
    for (change, expected) in changes {
        let error = wrong(change).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    let strange = |m: &mut Message| m.set(headers::TRACEPARENT, "01-strange");
    assert_eq!(wrong(strange), Ok(()), "a trace that cannot be read is dropped");
}

proptest! {
    /// Whatever arrives is read or refused, never more than that.
    #[test]
    fn no_message_is_too_strange(
        body in proptest::collection::vec(any::<u8>(), 0..64),
        texts in proptest::collection::vec(".{0,40}", 9),
    ) {
        let mut message = Message::new(body.into());
        message.correlation_id = Some(texts[0].clone());
        message.kind = Some(texts[1].clone());
        let names = [
            headers::STEP, headers::PHASE, headers::KIND, headers::ATTEMPT, headers::STARTED,
            headers::BODY_SHA256, headers::DEADLINE,
        ];
        for (name, text) in names.into_iter().zip(&texts[2..]) {
            message.set(name, text);
        }
        prop_assert!(Command::from_message(&message).is_err());
        prop_assert!(Reply::from_message(&message).is_err());
    }

    /// A time is the same after a round through text, whenever it is.
    #[test]
    fn times_survive_text(micros in -62_135_596_800_000_000_i64..253_402_207_200_000_000) {
        let time = Timestamp::from_micros(micros);
        prop_assert_eq!(time.to_string().parse::<Timestamp>().unwrap(), time);
    }
}

#[test]
fn times_stay_in_range_and_faults_are_cut_at_a_character() {
    let end = Timestamp::from_micros(i64::MAX);
    assert_eq!(end.after(Duration::MAX), end);
    assert_eq!(Timestamp::from_micros(i64::MIN).since(end), Duration::ZERO);
    assert_eq!(Timestamp::from_micros(-1).as_unix_seconds(), 0);
    let long = "ä".repeat(limits::ERROR_BYTES_MAX);
    let body = format!(r#"{{"outcome":"failed","error":{{"code":"c","message":"x{long}"}}}}"#);
    let reply = Reply::from_message(&Reply::message(&command(), body.into(), NOW)).unwrap();
    let message = reply.body.error.unwrap().message;
    assert_eq!(message.len(), limits::ERROR_BYTES_MAX - 1);
    assert_eq!(ReplyBody::completed(None).to_bytes(), r#"{"outcome":"completed"}"#);
}
