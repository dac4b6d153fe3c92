//! The routes as a whole, over an engine whose database and broker are away.

use std::path::Path;

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, request},
};
use saga_bus::{Amqp, Role};
use saga_protocol::limits;
use saga_store::Postgres;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use saga_engine::{Definitions, Random};

const ID: &str = "018f0000-0000-7000-8000-000000000000";

/// An API whose servers are away: nobody listens on port 1.
fn api() -> Router {
    let defs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../saga-defs");
    let definitions = Arc::new(Definitions::load(&defs).unwrap());
    let options = saga_store::Options { connections: 1, allow_unsafe: false };
    let store = Postgres::open("postgres://127.0.0.1:1/none", options).unwrap();
    let url = "amqp://127.0.0.1:1".to_owned();
    let options = saga_bus::Options { url, role: Role::Server, name: "test".to_owned() };
    let bus = Amqp::start(options).unwrap();
    let engine = Engine::new(Arc::new(store), Arc::new(bus), definitions, Arc::new(Random));
    front::front(App { engine, stop: CancellationToken::new() })
}

/// Sends a request; answers the status, the code, and the document.
async fn ask(api: &Router, request: request::Builder, body: Body) -> (u16, String, Value) {
    let response = api.clone().oneshot(request.body(body).unwrap()).await.unwrap();
    let status = response.status();
    assert!(response.headers().contains_key("x-request-id"), "{response:?}");
    if status == StatusCode::METHOD_NOT_ALLOWED {
        assert!(response.headers().contains_key("allow"), "{response:?}");
    }
    if !status.is_success() {
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let document: Value = serde_json::from_slice(&body).unwrap();
    (status.as_u16(), document["code"].as_str().unwrap_or_default().to_owned(), document)
}

fn post(path: &str) -> request::Builder {
    Request::post(path).header("content-type", "application/json; charset=utf-8")
}

/// An order in a body of this kind.
fn declared(kind: &str) -> request::Builder {
    Request::post("/orders").header("content-type", kind)
}

#[tokio::test]
async fn every_refusal_is_a_problem_with_its_code() {
    let api = api();
    let cancel = format!("/v1/sagas/{ID}/cancel");
    let twice = r#"{"reason":"a","reason":"b"}"#;
    let long = "x".repeat(limits::BODY_BYTES_MAX + 1);
    let endless = Body::from_stream(futures_util::stream::repeat_with(|| {
        Ok::<_, std::io::Error>(axum::body::Bytes::from_static(&[b' '; 4096]))
    }));
    let cases = [
        (Request::get("/nowhere"), Body::empty(), 404, "not_found"),
        (Request::get("/v1/sagas/"), Body::empty(), 404, "not_found"),
        (Request::put("/orders"), Body::empty(), 405, "method_not_allowed"),
        (Request::delete("/v1/sagas"), Body::empty(), 405, "method_not_allowed"),
        (Request::post("/orders/o-1"), Body::empty(), 405, "method_not_allowed"),
        (Request::get("/v1/sagas/%ff"), Body::empty(), 400, "invalid_path"),
        (Request::get("/v1/sagas/..%2f"), Body::empty(), 400, "invalid_id"),
        (Request::get("/orders/%00"), Body::empty(), 404, "saga_not_found"),
        (Request::get("/v1/sagas?colour=red"), Body::empty(), 400, "invalid_query"),
        (Request::get("/v1/sagas?limit=1&limit=2"), Body::empty(), 400, "invalid_query"),
        (Request::get("/v1/sagas?key=%ff"), Body::empty(), 400, "invalid_query"),
        (Request::get("/v1/sagas?key=%C3%BC%2&limit=201"), Body::empty(), 400, "invalid_query"),
        (Request::get("/v1/sagas?key=%C3%BC%2"), Body::empty(), 503, "unavailable"),
        (Request::post("/orders"), "{}".into(), 415, "unsupported_media_type"),
        (declared("application/json; charset=latin-1"), "{}".into(), 415, "unsupported_media_type"),
        (declared("application/json; v=1;CHARSET=x"), "{}".into(), 415, "unsupported_media_type"),
        (declared("application/json; charset=\"UTF-8\""), "{}".into(), 503, "unavailable"),
        (declared("application/json; v=1"), "{}".into(), 503, "unavailable"),
        (
            post("/orders").header("content-encoding", "gzip"),
            "{}".into(),
            415,
            "unsupported_media_type",
        ),
        (post("/orders"), long.into(), 413, "body_too_large"),
        (post("/orders"), endless, 413, "body_too_large"),
        (post("/orders").header("idempotency-key", ""), "{}".into(), 400, "invalid_header"),
        (post("/v1/definitions/x/sagas"), "{}".into(), 404, "unknown_definition"),
        (post(&cancel), "{".into(), 400, "invalid_json"),
        (post(&cancel), twice.into(), 400, "invalid_json"),
        (post(&cancel), r#"{"reason":"\n "}"#.into(), 422, "reason_missing"),
        (post(&cancel), r#"{"reason":"\u0000\u001b \u0085"}"#.into(), 422, "reason_missing"),
        (post(&cancel).header("saga-actor", "a b"), "{}".into(), 400, "invalid_header"),
        // Its schema is checked once the store's clock was heard.
        (post("/orders"), "{}".into(), 503, "unavailable"),
        (Request::get("/readyz"), Body::empty(), 503, "not_ready"),
    ];
    for (request, body, status, code) in cases {
        let what = format!("{request:?}");
        let (found_status, found_code, document) = ask(&api, request, body).await;
        assert_eq!((found_status, found_code.as_str()), (status, code), "{what}: {document:#}");
    }
    let (status, _, document) = ask(&api, Request::get("/healthz"), Body::empty()).await;
    assert_eq!((status, &document["status"]), (200, &"alive".into()));
}

#[tokio::test]
async fn metrics_are_shown_while_database_and_broker_are_away() {
    let api = api();
    let (status, _, _) = ask(&api, post("/orders"), "{}".into()).await;
    assert_eq!(status, 503);
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = api.oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(response.headers()["content-type"], kind);
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let text = std::str::from_utf8(&body).unwrap();
    for line in [
        r#"saga_starts_refused_total{reason="not_ready"} 1"#,
        r#"saga_started_total{definition="order"} 0"#,
        r#"saga_bus_state{state="down"} 1"#,
        r#"saga_bus_state{state="up"} 0"#,
        "saga_bus_connections_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "no `{line}` in:\n{text}");
    }
    assert!(text.ends_with("\n# EOF\n"), "{text}");
}

#[tokio::test]
async fn a_verb_takes_its_own_fields_and_no_others() {
    let api = api();
    let plain = ["cancel", "abandon", "pause", "resume"];
    let (reason, json) = (r#"{"reason":"r"}"#, "invalid_json");
    let mut cases = vec![
        ("retry", r#"{"reason":"r","step":"Not A Name"}"#, 400, json, "Not A Name"),
        ("retry", r#"{"reason":"r","output":1}"#, 400, json, "output"),
        ("skip", reason, 400, json, "`step`"),
        ("skip", r#"{"reason":"r","step":null}"#, 400, json, "null"),
        ("skip", r#"{"reason":"r","step":"a","output":1}"#, 400, json, "output"),
        ("resolve", reason, 400, json, "`step`"),
        ("resolve", r#"{"reason":"r","step":"a","outcome":"failed"}"#, 400, json, "failed"),
        ("resolve", r#"{"reason":"r","step":"a","output":{"b":1,"b":2}}"#, 400, json, "`b`"),
        (
            "resolve",
            r#"{"reason":"r","step":"a","outcome":"rejected","output":1}"#,
            422,
            "output_unwanted",
            "completed",
        ),
        ("resolve", r#"{"reason":" ","step":"a"}"#, 422, "reason_missing", "reason"),
    ];
    for verb in plain {
        cases.push((verb, r#"{"reason":"r","step":"a"}"#, 400, json, "step"));
    }
    for verb in plain.into_iter().chain(["retry", "skip", "resolve"]) {
        cases.push((
            verb,
            r#"{"step":"a"}"#,
            400,
            json,
            if plain.contains(&verb) { "step" } else { "reason" },
        ));
    }
    for (verb, body, status, code, says) in cases {
        let request = post(&format!("/v1/sagas/{ID}/{verb}"));
        let (found_status, found_code, document) = ask(&api, request, body.into()).await;
        assert_eq!((found_status, found_code.as_str()), (status, code), "{verb} {body}");
        assert!(document.to_string().contains(says), "{verb} {body}: {document:#}");
        assert!(status != 400 || document["line"] == 1, "{verb} {body}: {document:#}");
    }
}

#[tokio::test]
async fn letters_and_timers_are_asked_for_by_their_names() {
    let api = api();
    let (letter, drop) = (format!("/v1/dead-letters/{ID}"), format!("/v1/dead-letters/{ID}/drop"));
    let requeue = format!("{letter}/requeue");
    let cases = [
        (Request::get("/v1/dead-letters/x"), "", 400, "invalid_id"),
        (Request::get("/v1/dead-letters?closed=yes"), "", 400, "invalid_query"),
        (Request::get("/v1/dead-letters?source=x"), "", 400, "invalid_query"),
        (Request::get("/v1/timers?after=1"), "", 400, "invalid_query"),
        (Request::get("/v1/timers?saga=x"), "", 400, "invalid_query"),
        (Request::delete(&letter), "", 405, "method_not_allowed"),
        (post(&drop), "{}", 400, "invalid_json"),
        (post(&drop), r#"{"reason":" "}"#, 422, "reason_missing"),
        (post(&requeue), r#"{"reason":"r","to":"q"}"#, 400, "invalid_json"),
        (post(&requeue).header("saga-actor", ""), r#"{"reason":"r"}"#, 400, "invalid_header"),
        (Request::get(&letter), "", 503, "unavailable"),
        (Request::get("/v1/timers"), "", 503, "unavailable"),
    ];
    for (request, body, status, code) in cases {
        let what = format!("{request:?}");
        let (found_status, found_code, document) = ask(&api, request, body.into()).await;
        assert_eq!((found_status, found_code.as_str()), (status, code), "{what}: {document:#}");
    }
}

#[tokio::test]
async fn broken_json_is_told_with_its_place() {
    let (_, _, document) = ask(&api(), post("/orders"), "{\n  \"total\": ,\n}".into()).await;
    assert_eq!((&document["line"], &document["column"]), (&2.into(), &12.into()));
}

#[tokio::test]
async fn a_panic_is_an_answer_that_does_not_tell_it() {
    let panics = Router::new()
        .route(
            "/",
            get(|| async {
                if true {
                    panic!("secret")
                }
            }),
        )
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(middleware::from_fn(observe::observe));
    let (status, code, document) = ask(&panics, Request::get("/"), Body::empty()).await;
    assert_eq!((status, code.as_str()), (500, "internal"));
    assert!(!document.to_string().contains("secret"), "{document:#}");
}

/// An engine on a folder of its own, without any server.
fn on_its_own(folder: &Path) -> (Engine, Router) {
    let definitions = Arc::new(Definitions::load(folder).unwrap());
    let (store, bus) = (saga_store::Memory::new(), saga_bus::Broker::new().connect(Role::Server));
    let engine = Engine::new(Arc::new(store), Arc::new(bus), definitions, Arc::new(Random));
    (engine.clone(), front::front(App { engine, stop: CancellationToken::new() }))
}

#[tokio::test]
async fn paths_follow_the_definitions() {
    let folder = std::env::temp_dir().join(format!("saga-paths-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let write = |path: &str| {
        let text = format!(
            "saga: a\nexpose: {{ path: {path}, key: input.id }}\nsteps:\n  \
             - {{ name: b, participant: c, action: d, compensation: none }}\n"
        );
        std::fs::write(folder.join("a.yaml"), text).unwrap();
    };
    write("/first");
    let (engine, api) = on_its_own(&folder);
    let found = async |path: &str| ask(&api, post(path), "{}".into()).await.0;
    // What is found is refused for another reason: the store's clock was not heard yet.
    assert_eq!([found("/first").await, found("/second").await], [503, 404]);

    write("/second");
    engine.reload(&folder).await;
    assert_eq!([found("/first").await, found("/second").await], [404, 503]);
    let (status, code, _) = ask(&api, Request::get("/second/k"), Body::empty()).await;
    assert_eq!((status, code.as_str()), (404, "saga_not_found"));
    let (_, _, one) = ask(&api, Request::get("/v1/definitions/a"), Body::empty()).await;
    assert_eq!((&one["path"], &one["participants"]), (&"/second".into(), &json!(["c"])));

    std::fs::write(folder.join("a.yaml"), "saga: a\n").unwrap();
    engine.reload(&folder).await;
    assert_eq!([found("/first").await, found("/second").await], [404, 503]);
    let (status, _, all) = ask(&api, Request::get("/v1/definitions"), Body::empty()).await;
    assert_eq!((status, &all["items"][0]["current"]), (200, &one["current"]));
    assert!(all["reload_error"].as_str().unwrap().contains("a.yaml:"), "{all:#}");
    std::fs::remove_dir_all(&folder).unwrap();
}
