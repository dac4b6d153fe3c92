//! What operators order, and what they look at: verbs, timers, dead letters.

use serde_json::{Value, json};

use crate::support::{Api, COMPENSATED, Canned, ID, canned, saga, saga_with};

const OTHER: &str = "0199c0de-0000-7000-8000-000000000002";
const LETTER: &str = "5f3a9f5e-1111-8222-9333-123456789abc";

fn verb(id: &str, verb: &str, status: &str) -> Canned {
    let saga = saga_with(&json!({ "id": id, "status": status, "finished_at": null }));
    canned(&format!("POST /v1/sagas/{id}/{verb}"), 200, saga.to_string())
}

#[tokio::test]
async fn each_verb_says_what_it_takes() {
    let output = format!("@{}/output.json", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&output[1..], " {\"n\": 1e400}\n").unwrap();
    let cases: [(&[&str], &str); 10] = [
        (&["retry"], r#"{"reason":"r"}"#),
        (&["retry", "--step", "a"], r#"{"reason":"r","step":"a"}"#),
        (&["skip", "--step", "a"], r#"{"reason":"r","step":"a"}"#),
        (&["resolve", "--step", "a"], r#"{"reason":"r","step":"a","outcome":"completed"}"#),
        (
            &["resolve", "--step", "a", "--outcome", "rejected"],
            r#"{"reason":"r","step":"a","outcome":"rejected"}"#,
        ),
        (
            &["resolve", "--step", "a", "--output", &output],
            r#"{"reason":"r","step":"a","outcome":"completed","output":{"n": 1e400}}"#,
        ),
        (&["cancel"], r#"{"reason":"r"}"#),
        (&["abandon"], r#"{"reason":"r"}"#),
        (&["pause"], r#"{"reason":"r"}"#),
        (&["resume"], r#"{"reason":"r"}"#),
    ];
    for (arguments, body) in cases {
        let api = Api::with(vec![verb(ID, arguments[0], "running")]).await;
        let said =
            api.saga(&[arguments, &[ID, "--reason", " r ", "--actor", "ada"]].concat()).await;
        assert_eq!((said.code, &api.asked()[..]), (Some(0), &[format!("None None {body}")][..]));
        assert_eq!(api.actors(), ["ada"]);
        assert!(said.stdout.starts_with(&format!("{ID}  running")), "{said:?}");
    }
}

#[tokio::test]
async fn abandon_is_loud_and_names_what_is_not_undone() {
    let steps = json!([
        { "name": "payment", "participant": "p", "action": "a", "kind": "compensatable",
          "status": "completed", "attempts": 1 },
        { "name": "inventory", "participant": "p", "action": "a", "kind": "compensatable",
          "status": "running", "attempts": 1 },
        { "name": "shipping", "participant": "p", "action": "a", "kind": "compensatable",
          "status": "pending", "attempts": 0 },
    ]);
    let over = saga_with(&json!({ "status": "abandoned", "steps": steps }));
    let api =
        Api::with(vec![canned(&format!("POST /v1/sagas/{ID}/abandon"), 200, over.to_string())]);
    let said = api.await.saga(&["abandon", ID, "--reason", "r"]).await;
    assert_eq!(said.code, Some(0));
    let left = "not undone: payment (completed), inventory (running)";
    assert_eq!(said.stdout, format!("{ID}  abandoned  {left}\n"));
    assert!(said.stderr.starts_with("warning: `abandon` undoes nothing"), "{said:?}");
}

/// Two pages of a list in bulk, and what is done to their sagas.
fn bulk(orders: Vec<Canned>) -> Vec<Canned> {
    let list = "GET /v1/sagas?status=stuck&limit=200&definition=order&step=payment&older_than=1h";
    let stuck = |id: &str| saga_with(&json!({ "id": id, "status": "stuck", "finished_at": null }));
    let page = |id: &str, next: Value| json!({ "items": [stuck(id)], "next": next }).to_string();
    let mut orders = orders.into_iter();
    let mut answers = vec![canned(list, 200, page(OTHER, json!(OTHER)))];
    answers.extend(orders.next());
    answers.push(canned(&format!("{list}&after={OTHER}"), 200, page(ID, Value::Null)));
    answers.extend(orders);
    answers
}

const FILTERS: [&str; 8] =
    ["--status", "stuck", "--definition", "order", "--step-at", "payment", "--older-than", "1h"];

#[tokio::test]
async fn a_verb_in_bulk_goes_page_by_page_and_says_what_was_refused() {
    let refused = json!({ "title": "It does not fit", "status": 409,
        "code": "paused", "detail": "`resume` it first" });
    let orders = || {
        let refused = canned(&format!("POST /v1/sagas/{OTHER}/retry"), 409, refused.to_string());
        vec![refused, verb(ID, "retry", "compensating")]
    };
    let retry = [&["retry", "--reason", "r"], &FILTERS[..]].concat();
    let said = Api::with(bulk(orders())).await.saga(&retry).await;
    assert_eq!((said.code, said.stdout), (Some(1), format!("{ID}  compensating\n")));
    insta::assert_snapshot!(said.stderr, @"
    error: saga `0199c0de-0000-7000-8000-000000000002`: It does not fit (paused)
      `resume` it first
    retry: 0 sagas done, 1 refused so far
    retry: 1 saga done, 1 refused
    ");

    let said = Api::with(bulk(orders())).await.saga(&[&retry[..], &["--json"]].concat()).await;
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((&document["items"][0]["id"], &document["next"]), (&json!(ID), &Value::Null));
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_done_and_does_nothing() {
    let arguments = [&["retry", "--dry-run", "--reason", "r"], &FILTERS[..]].concat();
    let said = Api::with(bulk(vec![])).await.saga(&arguments).await;
    assert_eq!(said.code, Some(0));
    insta::assert_snapshot!(said.stdout, @"
    0199c0de-0000-7000-8000-000000000002  stuck  would retry: order o-remote
    0199c0de-0000-7000-8000-000000000001  stuck  would retry: order o-remote
    ");
    insta::assert_snapshot!(said.stderr, @"
    would retry 1 saga so far
    would retry 2 sagas; without `--dry-run` it is done
    ");
    let api = Api::with(vec![canned(&format!("GET /v1/sagas/{ID}"), 200, COMPENSATED)]).await;
    let said = api.saga(&["cancel", ID, "--dry-run", "--reason", "r"]).await;
    assert_eq!(said.stdout, format!("{ID}  compensated  would cancel: order o-remote\n"));
}

#[tokio::test]
async fn a_verb_in_bulk_that_is_cut_off_says_how_to_go_on() {
    let away = json!({ "title": "The orchestrator cannot do it now", "status": 503,
        "code": "unavailable" });
    let away = canned(&format!("POST /v1/sagas/{ID}/retry"), 503, away.to_string());
    let answers = || bulk(vec![verb(OTHER, "retry", "running"), away.clone()]);
    let arguments = [&["retry", "--reason", "r"], &FILTERS[..]].concat();
    let said = Api::with(answers()).await.saga(&arguments).await;
    assert_eq!(said.code, Some(2));
    insta::assert_snapshot!(said.stderr, @"
    retry: 1 saga done so far
    retry: 1 saga done
    error: The orchestrator cannot do it now (unavailable)
    hint: go on with `--after 0199c0de-0000-7000-8000-000000000002`
    ");
    // What was done is told all the same.
    let said = Api::with(answers()).await.saga(&[&arguments[..], &["--json"]].concat()).await;
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    let ids: Vec<_> = document["items"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!((said.code, ids, &document["next"]), (Some(2), vec![&json!(OTHER)], &json!(OTHER)));
}

#[tokio::test]
async fn what_was_done_before_something_failed_is_told() {
    let done = vec![verb(ID, "cancel", "compensating"), canned("POST", 503, "")];
    let said = Api::with(done).await;
    let said = said.saga(&["cancel", ID, OTHER, "--reason", "r", "--json"]).await;
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.code, &document["items"][0]["id"]), (Some(2), &json!(ID)), "{said:?}");

    let closed = canned(&format!("POST /v1/dead-letters/{LETTER}/drop"), 200, letter().to_string());
    let said = Api::with(vec![closed, canned("POST", 503, "")]).await;
    let said = said.saga(&["dead", "drop", LETTER, OTHER, "--reason", "r", "--json"]).await;
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!((said.code, &document["items"][0]["id"]), (Some(2), &json!(LETTER)), "{said:?}");
}

#[tokio::test]
async fn timers_are_listed() {
    let timer = |changes: Value| {
        let mut timer = json!({ "saga": ID, "definition": "order", "key": "o-1", "paused": false,
            "status": "running", "what": "retry", "step": "payment", "phase": "action",
            "attempt": 2, "at": "2026-11-25T05:41:35.100000Z" });
        for (name, value) in changes.as_object().unwrap() {
            timer[name] = value.clone();
        }
        timer
    };
    let items = [
        timer(json!({})),
        timer(json!({ "what": "timeout", "phase": "compensation", "key": null })),
        timer(json!({ "what": "deadline", "step": null, "attempt": null, "paused": true })),
    ];
    let page = json!({ "items": items, "next": "7.x" }).to_string();
    let api = Api::with(vec![canned("GET /v1/timers?limit=50", 200, page.clone())]).await;
    let said = api.saga(&["timers"]).await;
    assert_eq!(
        (said.code, said.stderr.as_str()),
        (Some(0), "there is more: go on with `--after 7.x`\n")
    );
    insta::assert_snapshot!("timers", said.stdout);
    let of = format!("GET /v1/timers?limit=2&saga={ID}&after=7.x");
    let api = Api::with(vec![canned(&of, 200, page.clone())]).await;
    let said = api.saga(&["timers", ID, "--limit", "2", "--after", "7.x", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&said.stdout).unwrap().to_string(), page);
}

fn letter() -> Value {
    json!({ "id": LETTER, "at": "2026-11-25T05:41:35.100000Z", "source": "saga.commands.payment",
        "reason": "rejected", "correlation_id": ID, "type": "payment.charge", "closed": null })
}

#[tokio::test]
async fn dead_letters_are_listed_and_shown() {
    let page = json!({ "items": [letter()], "next": null }).to_string();
    let (all, some) = ("GET /v1/dead-letters?limit=50", "GET /v1/dead-letters?limit=2&closed=true");
    let said = Api::with(vec![canned(all, 200, page.clone())]).await.saga(&["dead"]).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    insta::assert_snapshot!("dead", said.stdout);
    let api = Api::with(vec![canned(some, 200, page.clone())]).await;
    let said = api.saga(&["dead", "list", "--closed", "--limit", "2", "--json"]).await;
    assert_eq!(serde_json::from_str::<Value>(&said.stdout).unwrap().to_string(), page);

    let mut whole = letter();
    whole["closed"] = json!({ "at": "2026-11-25T05:42:35.100000Z", "as": "dropped",
        "actor": "ada", "reason": "a test" });
    whole["properties"] = json!({ "type": "payment.charge", "reply_to": null,
        "headers": { "saga-attempt": 2, "saga-step": "pay\u{1b}[2J" } });
    whole["body"] = json!("{\"a\":1}\n");
    whole["body_encoding"] = json!("base64");
    whole["body_cut"] = json!(true);
    whole["sha256"] = json!("44136f");
    let show = canned(&format!("GET /v1/dead-letters/{LETTER}"), 200, whole.to_string());
    let said = Api::with(vec![show]).await.saga(&["dead", "show", LETTER]).await;
    insta::assert_snapshot!(said.stdout, @r#"
    id        5f3a9f5e-1111-8222-9333-123456789abc
    at        2026-11-25 05:41:35.100 UTC
    from      saga.commands.payment
    reason    rejected
    closed    dropped by ada at 2026-11-25 05:42:35.100 UTC: a test
    header    saga-attempt: 2
    header    saga-step: pay\u{1b}[2J
    property  type: payment.charge
    sha256    44136f
    body      (base64, only its beginning was kept) {"a":1}\n
    "#);
}

#[tokio::test]
async fn dead_letters_are_requeued_and_dropped_with_a_reason() {
    for (what, how) in [("requeue", "requeued"), ("drop", "dropped")] {
        let mut closed = letter();
        closed["closed"] = json!({ "at": "2026-11-25T05:42:35.100000Z", "as": how,
            "actor": "ada", "reason": "r" });
        let missing = json!({ "title": "There is no such dead letter", "status": 404,
            "code": "letter_not_found", "hint": "list them" });
        let path = |id: &str| format!("POST /v1/dead-letters/{id}/{what}");
        let answers = vec![
            canned(&path(OTHER), 404, missing.to_string()),
            canned(&path(LETTER), 200, closed.to_string()),
        ];
        let api = Api::with(answers).await;
        let arguments = ["dead", what, OTHER, LETTER, "--reason", "r", "--actor", "ada"];
        let said = api.saga(&arguments).await;
        assert_eq!((said.code, said.stdout), (Some(1), format!("{LETTER}  {how}\n")));
        assert!(said.stderr.contains("letter_not_found") && said.stderr.contains("hint: list"));
        assert_eq!(api.asked()[1], r#"None None {"reason":"r"}"#);
        assert_eq!(api.actors(), ["ada", "ada"]);
    }
}

#[tokio::test]
async fn orders_that_mean_nothing_are_wrong_usage() {
    let wrong: &[(&[&str], &str)] = &[
        (&["cancel", "--reason", "r"], "--definition"),
        (&["cancel", ID, "--status", "stuck", "--reason", "r"], "cannot be used with"),
        (&["cancel", ID, "--reason", " "], "cannot be blank"),
        (&["cancel", ID, "--reason", "\u{1b}\u{7f} "], "cannot be blank"),
        (&["cancel", "--status", "completed", "--reason", "r"], "completed"),
        (&["cancel", ID, "--reason", "r", "--actor", "a b"], "visible ASCII"),
        (&["cancel", ID, "--reason", "r", "--step", "a"], "--step"),
        (&["skip", ID, "--reason", "r"], "--step"),
        (&["resolve", ID, "--step", "a", "--reason", "r", "--outcome", "failed"], "failed"),
        (&["resolve", ID, "--step", "a", "--reason", "r", "--output", "{"], "JSON"),
        (&["resolve", ID, "--step", "a", "--reason", "r", "--output", "@/nowhere"], "/nowhere"),
        (
            &[
                "resolve",
                ID,
                "--step",
                "a",
                "--reason",
                "r",
                "--outcome",
                "rejected",
                "--output",
                "1",
            ],
            "--outcome completed",
        ),
        (&["dead", "drop", LETTER], "--reason"),
        (&["dead", "show", "x"], "x"),
        (&["timers", "x"], "x"),
    ];
    for (arguments, says) in wrong {
        let said = saga(arguments).await;
        assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""), "{arguments:?}: {said:?}");
        assert!(said.stderr.contains(says), "{arguments:?}: {said:?}");
    }
}
