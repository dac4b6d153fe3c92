//! `saga definitions`: what it shows of definitions and their versions.

use serde_json::{Value, json};

use crate::support::{Api, canned};

fn version(hash: &str, is_current: bool, in_flight: [u64; 3]) -> Value {
    let [running, compensating, stuck] = in_flight;
    json!({ "version": hash, "current": is_current, "first_seen": "2026-11-25T05:41:35.100Z",
        "running": running, "compensating": compensating, "stuck": stuck,
        "drained": in_flight == [0; 3] })
}

fn order() -> Value {
    json!({ "name": "order", "current": "9c41d07ab2e6", "description": null, "path": "/orders",
        "file": "saga-defs/order.yaml", "participants": ["payment"],
        "versions": [version("9c41d07ab2e6", true, [12, 1, 0]),
            version("3fa1b2c3d4e5", false, [3, 0, 1]), version("0123456789ab", false, [0; 3])] })
}

#[tokio::test]
async fn versions_are_shown_with_what_follows_them() {
    let removed = json!({ "name": "parcel", "current": null, "path": null,
        "versions": [version("ba9876543210", false, [1, 0, 0])] });
    let unkept = json!({ "version": "aaaaaaaaaaaa", "current": true, "first_seen": null,
        "running": 0, "compensating": 0, "stuck": 0, "drained": true });
    let young = json!({ "name": "trip", "path": "/trips", "versions": [unkept] });
    let list = json!({ "items": [order(), removed, young], "next": null,
        "reload_error": "a.yaml:1:2: error: wrong\nhint: \u{1b}[2Jright" });
    let api = Api::with(vec![canned("GET /v1/definitions", 200, list.to_string())]).await;
    let said = api.saga(&["definitions"]).await;
    assert_eq!(said.code, Some(0));
    insta::assert_snapshot!("definitions", said.stdout);
    insta::assert_snapshot!(said.stderr, @r"
    warning: the files as they are now cannot be loaded; what was served before still is
    a.yaml:1:2: error: wrong
    hint: \u{1b}[2Jright
    ");

    let path = "GET /v1/definitions/order";
    let api = Api::with(vec![canned(path, 200, order().to_string())]).await;
    let said = api.saga(&["definitions", "order", "--json"]).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    assert_eq!(said.stdout, format!("{}\n", order()));

    let unknown = json!({ "title": "There is no such definition", "code": "unknown_definition",
        "detail": "there is no definition `x`" });
    let answer = canned("GET /v1/definitions/x", 404, unknown.to_string());
    let said = Api::with(vec![answer]).await.saga(&["definitions", "x"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
}
