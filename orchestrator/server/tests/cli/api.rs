//! Commands that talk to an orchestrator.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{Api, COMPENSATED, ID, JOURNAL, canned, saga_with};

fn show() -> String {
    format!("GET /v1/sagas/{ID}")
}

#[tokio::test]
async fn a_saga_is_shown_forward_and_backward() {
    let api = Api::with(vec![canned(&show(), 200, COMPENSATED)]).await;
    let said = api.saga(&["show", ID]).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!(said.stdout, @"
    order: compensated
    ├─ payment: compensated
    │  ├─ forward   payment.charge, 2 attempts since 2026-11-25 05:41:35.100 UTC
    │  └─ backward  payment.refund, 1 attempt since 2026-11-25 05:41:36.200 UTC
    ├─ inventory: compensated, by an operator
    │  ├─ forward   inventory.reserve, 1 attempt since 2026-11-25 05:41:35.400 UTC
    │  └─ backward  inventory.release, 1 attempt since 2026-11-25 05:41:36.000 UTC
    └─ shipping: rejected, pivot, needs payment, inventory
       ├─ forward   shipping.schedule, 1 attempt since 2026-11-25 05:41:35.700 UTC
       └─ error     address_not_served: no parcels to AQ

    id       0199c0de-0000-7000-8000-000000000001
    key      o-remote
    version  3fa1b2c3d4e5
    value    4200 EUR in minor units
    cause    shipping: address_not_served: no parcels to AQ
    created  2026-11-25 05:41:35.100 UTC
    ended    2026-11-25 05:41:36.300 UTC, after 1.2 s
    ");
}

#[tokio::test]
async fn json_is_what_the_api_said_byte_for_byte() {
    let odd = r#"{ "id" : "x", "huge":1e400000 }"#;
    let api = Api::with(vec![canned(&show(), 200, odd)]).await;
    let said = api.saga(&["show", ID, "--json"]).await;
    assert_eq!((said.code, said.stdout), (Some(0), format!("{odd}\n")));
}

#[tokio::test]
async fn a_journal_is_shown_page_by_page() {
    let mut first: Value = serde_json::from_str(JOURNAL).unwrap();
    first["next"] = json!(3);
    let path = format!("GET /v1/sagas/{ID}/journal?limit=200");
    let answers = vec![
        canned(&path, 200, first.to_string()),
        canned(&format!("{path}&after=3"), 200, r#"{"items":[],"next":null}"#),
    ];
    let said = Api::with(answers).await.saga(&["journal", ID]).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!("journal", said.stdout);
}

#[tokio::test]
async fn a_list_shows_active_sagas_first() {
    let active = "GET /v1/sagas?status=stuck%2Ccompensating%2Crunning";
    let ended = "GET /v1/sagas?status=completed%2Ccompensated%2Cpartly_compensated%2Cabandoned";
    let steps = json!([{ "name": "payment", "participant": "payment", "action": "charge",
        "kind": "compensatable", "status": "waiting", "attempts": 3 }]);
    let running = saga_with(&json!({ "status": "running", "paused": true, "steps": steps,
        "key": null, "cause": null, "finished_at": null }));
    let page = |saga: &Value, next: Value| json!({ "items": [saga], "next": next }).to_string();
    let over = saga_with(&json!({}));
    let answers = vec![
        canned(&format!("{active}&limit=2"), 200, page(&running, Value::Null)),
        canned(&format!("{ended}&limit=1"), 200, page(&over, json!(ID))),
    ];
    let said = Api::with(answers).await.saga(&["list", "--limit", "2"]).await;
    assert_eq!(said.code, Some(0));
    assert_eq!(said.stderr, format!("there is more: go on with `--after ended:{ID}`\n"));
    insta::assert_snapshot!("list", said.stdout);

    let ended = format!("GET /v1/sagas?status=completed&limit=50&key=k&after={ID}");
    let api = Api::with(vec![canned(&ended, 200, page(&over, Value::Null))]).await;
    let after = format!("ended:{ID}");
    let arguments = ["list", "--status", "stuck,completed", "--key", "k", "--after", &after];
    let said = api.saga(&[&arguments[..], &["--json"]].concat()).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    assert_eq!(said.stdout, format!("{}\n", page(&over, Value::Null)));
}

#[tokio::test]
async fn a_start_waits_for_the_end_and_says_how_it_was() {
    let folder = env!("CARGO_TARGET_TMPDIR");
    let input = format!("{folder}/order.json");
    std::fs::write(&input, r#"{ "total": 1e400 }"#).unwrap();
    let running = saga_with(&json!({ "status": "running", "finished_at": null })).to_string();
    let completed = saga_with(&json!({ "status": "completed" })).to_string();
    for (end, code) in [(completed, 0), (COMPENSATED.to_owned(), 1)] {
        let answers = vec![
            canned("POST /v1/definitions/order/sagas", 202, running.clone()),
            canned(&show(), 200, end.clone()),
        ];
        let api = Api::with(answers).await;
        let arguments = ["start", "order", "--input", &input, "--key", "k-1", "--wait", "--json"];
        let said = api.saga(&arguments).await;
        assert_eq!((said.code, said.stdout), (Some(code), format!("{}\n", end.trim_end())));
        let asked = r#"Some("k-1") None { "total": 1e400 }"#;
        assert_eq!(api.asked()[0], asked, "the input arrives as it is");
        assert_eq!(said.stderr, format!("started saga `{ID}`; waiting for its end\n"));
    }
}

#[tokio::test]
async fn a_wait_that_breaks_off_has_named_the_saga() {
    let input = format!("{}/wait.json", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&input, "{}").unwrap();
    let running = saga_with(&json!({ "status": "running", "finished_at": null })).to_string();
    let answers = vec![
        canned("POST /v1/definitions/order/sagas", 202, running),
        canned("its orchestrator is gone", 503, ""),
    ];
    let api = Api::with(answers).await;
    let said = api.saga(&["start", "order", "--input", &input, "--wait"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
    let started = format!("started saga `{ID}`; waiting for its end\n");
    assert!(said.stderr.starts_with(&started), "{said:?}");
    let way_out = format!("hint: the saga goes on: see `saga show {ID}`\n");
    assert!(said.stderr.ends_with(&way_out), "{said:?}");
}

#[tokio::test]
async fn a_refusal_is_said_and_does_not_spare_the_others() {
    let other = ID.replace('1', "2");
    let problem = json!({ "type": "about:blank", "title": "Its pivot was sent", "status": 409,
        "code": "pivot_sent", "detail": "nothing may be undone\u{1b}[2J any more", "hint": "wait",
        "errors": [{ "pointer": "/a", "detail": "b" }] });
    let compensating = saga_with(&json!({ "status": "compensating", "finished_at": null }));
    let answers = vec![
        canned(&format!("POST /v1/sagas/{other}/cancel"), 409, problem.to_string()),
        canned(&format!("POST /v1/sagas/{ID}/cancel"), 200, compensating.to_string()),
    ];
    let api = Api::with(answers).await;
    let said = api.saga(&["cancel", &other, ID, "--reason", "they changed their mind"]).await;
    assert_eq!((said.code, said.stdout), (Some(1), format!("{ID}  compensating\n")));
    insta::assert_snapshot!(said.stderr, @r"
    error: saga `0299c0de-0000-7000-8000-000000000002`: Its pivot was sent (pivot_sent)
      nothing may be undone\u{1b}[2J any more
      `/a`: b
    hint: wait
    ");
    assert!(api.asked()[0].ends_with(r#"{"reason":"they changed their mind"}"#));
}

#[tokio::test]
async fn somebody_else_is_not_taken_for_an_orchestrator() {
    for (status, body) in [(404, "<html>"), (200, "[]"), (302, "")] {
        let said = Api::with(vec![canned(&show(), status, body)]).await.saga(&["show", ID]).await;
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
        assert!(said.stderr.contains("does not answer like an orchestrator"), "{said:?}");
    }
}

#[tokio::test]
async fn a_reader_that_has_had_enough_is_no_trouble() {
    let long = format!("\"{}\"", "x".repeat(1 << 20));
    let api = Api::with(vec![canned(&show(), 200, long)]).await;
    let mut saga = api.command(&["show", ID, "--json"]);
    let mut child = saga.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().await.unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), talk.as_ref()), (Some(0), ""));
}
