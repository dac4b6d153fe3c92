//! Bad input over HTTP and AMQP: it is refused or parked with the reason, nothing is stored, no
//! saga moves, and no process dies.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use lab::wait;
use reqwest::{Method, StatusCode};
use saga_bus::{Bus, Health, Publication};
use saga_protocol::{HeaderValue, Message, headers, limits, topology};
use saga_tests::{Answer, World, check, check_sagas, order, order_with};
use serde_json::{Value, json};

/// What is waited for here takes milliseconds.
const SOON: Duration = Duration::from_secs(30);
const LETTERS: &str = "select count(*) from saga.dead_letter";
const JSON: (&str, &str) = ("content-type", "application/json");

/// A request that must be refused: what it sends, the answer's status and code, and what its text
/// says.
struct Refused {
    method: Method,
    path: &'static str,
    content_type: &'static str,
    body: String,
    status: u16,
    code: &'static str,
    says: &'static [&'static str],
}

impl Refused {
    fn post(path: &'static str, body: impl Into<String>) -> Self {
        Self {
            method: Method::POST,
            path,
            content_type: "application/json",
            body: body.into(),
            status: 400,
            code: "",
            says: &[],
        }
    }

    fn with(self, status: u16, code: &'static str, says: &'static [&'static str]) -> Self {
        Self { status, code, says, ..self }
    }
}

fn without(field: &str) -> String {
    let mut order = order("o-1");
    order.as_object_mut().expect("an object").remove(field);
    order.to_string()
}

fn wrong_starts() -> Vec<Refused> {
    let order_of = |pointer, value| order_with("o-1", pointer, value).to_string();
    let long = format!(r#"{{"order_id":"{}"}}"#, "x".repeat(limits::BODY_BYTES_MAX));
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let unreadable = "{\n  \"order_id\": \"o-1\",\n  \"total\": ,\n}";
    let unkeyed = without("order_id");
    let orders = |body: String| Refused::post("/orders", body);
    vec![
        orders(String::new()).with(400, "invalid_json", &["line 1", "column"]),
        orders(unreadable.to_owned()).with(400, "invalid_json", &["line 3", "column 12"]),
        orders(deep).with(400, "invalid_json", &["line 1", "column"]),
        orders("{} {}".to_owned()).with(400, "invalid_json", &["line 1", "column 4"]),
        orders("[]".to_owned()).with(422, "input_invalid", &["object"]),
        orders(without("customer_id")).with(422, "input_invalid", &["customer_id"]),
        orders(unkeyed).with(422, "input_invalid", &["order_id"]),
        orders(order_of("/total", json!("42"))).with(422, "input_invalid", &["/total", "integer"]),
        orders(order_of("/items", json!([]))).with(422, "input_invalid", &["/items"]),
        orders(order_of("/items/1/quantity", json!(0))).with(
            422,
            "input_invalid",
            &["/items/1/quantity"],
        ),
        orders(order_of("/order_id", json!("x".repeat(101)))).with(
            422,
            "input_invalid",
            &["/order_id"],
        ),
        orders(long).with(413, "body_too_large", &["1048576"]),
        Refused { content_type: "text/plain", ..orders(order("o-1").to_string()) }.with(
            415,
            "unsupported_media_type",
            &["application/json"],
        ),
        Refused { content_type: "", ..orders(order("o-1").to_string()) }.with(
            415,
            "unsupported_media_type",
            &["application/json"],
        ),
        Refused { method: Method::PUT, ..orders(order("o-1").to_string()) }.with(
            405,
            "method_not_allowed",
            &[],
        ),
        Refused::post("/v1/definitions/unheard-of/sagas", order("o-1").to_string()).with(
            404,
            "unknown_definition",
            &["unheard-of"],
        ),
        Refused::post("/unheard-of", order("o-1").to_string()).with(404, "not_found", &[]),
    ]
}

fn wrong_others() -> Vec<Refused> {
    let get = |path| Refused { method: Method::GET, ..Refused::post(path, "") };
    let cancel = "/v1/sagas/018f0000-0000-7000-8000-000000000000/cancel";
    let reason = json!({ "reason": "why not" }).to_string();
    vec![
        Refused::post(cancel, reason.clone()).with(404, "saga_not_found", &[]),
        Refused::post(cancel, "{}").with(400, "invalid_json", &["reason"]),
        Refused::post(cancel, json!({ "reason": " " }).to_string()).with(
            422,
            "reason_missing",
            &["reason"],
        ),
        Refused::post(cancel, json!({ "reason": "x", "force": true }).to_string()).with(
            400,
            "invalid_json",
            &["force"],
        ),
        Refused::post("/v1/sagas/not-an-id/cancel", reason).with(400, "invalid_id", &["not-an-id"]),
        get("/v1/sagas/not-an-id").with(400, "invalid_id", &["not-an-id"]),
        get("/v1/sagas/018f0000-0000-7000-8000-000000000000").with(404, "saga_not_found", &[]),
        get("/v1/sagas/018f0000-0000-7000-8000-000000000000/journal").with(
            404,
            "saga_not_found",
            &[],
        ),
        get("/orders/unheard-of").with(404, "saga_not_found", &[]),
        get("/v1/sagas?status=failed").with(400, "invalid_query", &["failed"]),
        get("/v1/sagas?limit=0").with(400, "invalid_query", &["limit"]),
        get("/v1/sagas?limit=201").with(400, "invalid_query", &["200"]),
        get("/v1/sagas?colour=red").with(400, "invalid_query", &["colour"]),
        get("/v1/sagas?after=elsewhere").with(400, "invalid_query", &["after"]),
    ]
}

#[tokio::test]
async fn bad_requests_are_refused_and_store_nothing() -> Result<()> {
    let world = World::start().await?;
    for case in wrong_starts().into_iter().chain(wrong_others()) {
        let what = format!("{} {} {:.60}", case.method, case.path, case.body);
        let content_type = [("content-type", case.content_type)];
        let headers = if case.content_type.is_empty() { &[][..] } else { &content_type };
        let answer = world.send(case.method, case.path, headers, case.body).await;
        check_problem(&answer.context(what.clone())?, case.status, case.code, case.says, &what);
    }
    let not_text = world.send(Method::POST, "/orders", &[JSON], vec![b'"', 0xff, b'"']).await?;
    check_problem(&not_text, 400, "invalid_json", &["line 1"], "no UTF-8");
    let prefer = world.post("/orders", &[("prefer", "wait=soon")], &order("o-1")).await?;
    assert_eq!(
        prefer.status,
        StatusCode::ACCEPTED,
        "a preference that is not understood is ignored"
    );
    world.until_status(prefer.body["id"].as_str().context("an id")?, "completed").await?;

    assert_eq!(world.count("select count(*) from saga.saga").await?, 1, "that one alone");
    assert!(world.system.members().iter().all(|member| member.is_alive()));
    check(&world.db).await?;
    Ok(())
}

/// Every refusal is a problem document with a stable code, and says what is wrong.
fn check_problem(answer: &Answer, status: u16, code: &str, says: &[&str], what: &str) {
    assert_eq!(answer.status.as_u16(), status, "{what}: {answer:#?}");
    let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok());
    assert_eq!(kind, Some("application/problem+json"), "{what}: {answer:#?}");
    assert_eq!(answer.body["status"], status, "{what}: {answer:#?}");
    assert_eq!(answer.body["code"], code, "{what}: {answer:#?}");
    let text = answer.body.to_string();
    for said in says {
        assert!(text.contains(said), "{what} does not say `{said}`: {:#}", answer.body);
    }
}

/// The answer of payment to its command, as it would be if all were well.
fn answer(saga_id: &str, participant: &str, step: &str, body: &Value) -> Message {
    let mut message = Message::new(Bytes::from(body.to_string()));
    message.correlation_id = Some(saga_id.to_owned());
    message.kind = Some(format!("{participant}.charge"));
    message.set(headers::STEP, step);
    message.set(headers::PHASE, "action");
    message.set_number(headers::ATTEMPT, 1);
    message
}

fn completed() -> Value {
    json!({ "outcome": "completed", "output": { "charge_id": "forged" } })
}

/// Messages that nobody can use, each with a word of the reason it is parked with.
fn unusable(saga_id: &str) -> Vec<(Message, &'static str)> {
    let payment = |body: &Value| answer(saga_id, "payment", "payment", body);
    let good = || payment(&completed());
    let mut no_saga = good();
    no_saga.correlation_id = None;
    let mut wrong_saga = good();
    wrong_saga.correlation_id = Some("o-1".to_owned());
    let mut no_step = good();
    no_step.headers.remove(headers::STEP);
    let mut many = good();
    many.headers.insert(headers::ATTEMPT.to_owned(), HeaderValue::Text("many".to_owned()));
    let mut other_body = good();
    other_body.set(headers::BODY_SHA256, "0".repeat(64));
    let mut not_text = good();
    not_text.body = Bytes::from_static(b"\xff\xfe");
    let mut huge = good();
    huge.body = Bytes::from(vec![b' '; limits::BODY_BYTES_MAX + 1]);
    vec![
        (no_saga, "correlation_id"),
        (wrong_saga, "correlation_id"),
        (no_step, "saga-step"),
        (many, "saga-attempt"),
        (other_body, "another body"),
        (not_text, "body"),
        (huge, "bytes"),
        (payment(&json!({ "outcome": "maybe" })), "maybe"),
        (payment(&json!([])), "body"),
        (answer(saga_id, "shipping", "payment", &completed()), "`shipping` answers"),
    ]
}

/// Messages that say nothing new: they are counted and acknowledged.
fn harmless(saga_id: &str) -> Vec<Message> {
    let unheard = "018f0000-0000-7000-8000-000000000000";
    let mut never_asked = answer(saga_id, "payment", "payment", &completed());
    never_asked.set_number(headers::ATTEMPT, 7);
    let mut backwards = answer(saga_id, "payment", "payment", &json!({ "outcome": "completed" }));
    backwards.set(headers::PHASE, "compensation");
    vec![
        never_asked,
        backwards,
        answer(unheard, "payment", "payment", &completed()),
        answer(saga_id, "shipping", "shipping", &completed()),
        answer(saga_id, "payment", "unheard_of", &completed()),
    ]
}

#[tokio::test]
async fn bad_messages_are_parked_and_move_nothing() -> Result<()> {
    let world = World::start().await?;
    world.system.payment.process().stop()?;
    let id = world.begin("/orders", &order("o-1")).await?;
    let before = world.saga(&id).await?;

    let bus = world.bus()?;
    bus.health().wait_for(|health| matches!(health, Health::Up { .. })).await?;
    let unusable = unusable(&id);
    let publish = unusable.iter().map(|(message, _)| message.clone()).chain(harmless(&id));
    let publications = publish.map(|message| Publication {
        exchange: topology::REPLIES,
        routing_key: "payment".to_owned(),
        message,
    });
    for published in bus.publish(publications.collect()).await {
        published?;
    }
    // Nothing to hand over: what comes to the queue of the dead by itself is kept as well.
    let given_up = Message::new(Bytes::from_static(b"whatever"));
    let to_dead = Publication {
        exchange: "",
        routing_key: topology::DEAD.to_owned(),
        message: given_up.clone(),
    };
    for published in bus.publish(vec![to_dead]).await {
        published?;
    }
    let parked = unusable.len() + 1;
    let all =
        async || (world.count(LETTERS).await.ok()? >= i64::try_from(parked).ok()?).then_some(());
    wait::until("all dead letters", SOON, all).await?;
    for (message, reason) in &unusable {
        let sql = "select reason from saga.dead_letter
            where headers->>'message_id' = $1 and source = 'saga.replies'";
        let id = message.message_id.to_string();
        let parked: Option<String> =
            sqlx::query_scalar(sql).bind(id).fetch_optional(&world.db).await?;
        assert!(parked.as_ref().is_some_and(|why| why.contains(reason)), "{reason}: {parked:?}");
    }
    let sql = "select source from saga.dead_letter where headers->>'message_id' = $1";
    let id_of_letter = given_up.message_id.to_string();
    let source: Option<String> =
        sqlx::query_scalar(sql).bind(id_of_letter).fetch_optional(&world.db).await?;
    assert_eq!(source.as_deref(), Some(topology::DEAD));

    // What was counted leaves no trace but that the queue has it no more, also when nobody
    // consumes.
    assert_eq!(world.saga(&id).await?["steps"], before["steps"]);
    assert!(world.system.members().iter().all(|member| member.is_alive()));
    world.system.payment.process().cont()?;
    let saga = world.until_status(&id, "completed").await?;
    assert_ne!(saga["steps"][0]["output"]["charge_id"], "forged");
    assert_eq!(
        world.count("select count(*) from saga.journal").await?,
        4,
        "the start and three answers"
    );
    world.system.stop();
    let empty = async || (bus.depth(topology::REPLIES).await == Some(0)).then_some(());
    wait::until("no reply to be left", SOON, empty).await?;
    bus.close().await;
    check_sagas(&world.db).await?;
    assert_eq!(world.count(LETTERS).await?, i64::try_from(parked)?, "none was parked but these");
    Ok(())
}
