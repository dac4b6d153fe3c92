//! Looks that real sagas seldom make: those that are asked for by their id, and more of them than a
//! look covers.

use serde_json::{Value, json};

use crate::support::{Api, Canned, canned, saga_with};

/// Pages that one look reads of each list.
const PAGES: usize = 25;

const ACTIVE: &str = "GET /v1/sagas?status=stuck%2Ccompensating%2Crunning&limit=200";
const ENDED: &str =
    "GET /v1/sagas?status=completed%2Ccompensated%2Cpartly_compensated%2Cabandoned&limit=200";

fn saga(id: &str, status: &str, second: u32) -> Value {
    let at = format!("2026-11-25T05:41:{second:02}.000000Z");
    let finished_at = (status != "running").then_some(&at);
    saga_with(&json!({ "id": id, "status": status, "steps": [], "created_at": at,
        "updated_at": at, "finished_at": finished_at, "cause": null }))
}

fn page(path: &str, sagas: &[&Value]) -> Canned {
    canned(path, 200, json!({ "items": sagas, "next": null }).to_string())
}

/// Pages that go on for longer than they are read.
fn without_end(path: &str, saga: &Value) -> impl Iterator<Item = Canned> {
    let body = json!({ "items": [saga], "next": "x" }).to_string();
    let after = format!("{path}&after=x");
    (0..PAGES).map(move |read| canned(if read == 0 { path } else { &after }, 200, body.as_str()))
}

/// What ends a watch.
fn no(path: &str) -> Canned {
    canned(path, 404, r#"{"title":"There is no such saga","code":"saga_not_found"}"#)
}

#[tokio::test]
async fn one_that_is_not_found_any_more_is_asked_for_so_that_its_end_is_told() {
    let old = [saga("a", "running", 1), saga("b", "running", 1)];
    let new = saga("c", "completed", 30);
    let answers = vec![
        page(ACTIVE, &old.each_ref()),
        page(ENDED, &[]),
        page(ACTIVE, &[&old[1]]),
        page(ENDED, &[&new]),
        canned("GET /v1/sagas/a", 200, saga("a", "abandoned", 1).to_string()),
        page(ACTIVE, &[]),
        page(ENDED, &[&new]),
        no("GET /v1/sagas/b"),
        no(ACTIVE),
    ];
    let said = Api::with(answers).await.saga(&["watch"]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let told: Vec<_> = said.stdout.lines().map(|line| line.split_at(29).1).collect();
    let rest = "order  o-remote  -  -";
    let line = |status: &str, id: &str| format!("{status:<12}  {id}  {rest}");
    let expected = [("running", "a"), ("running", "b"), ("completed", "c"), ("abandoned", "a")];
    assert_eq!(told, expected.map(|(status, id)| line(status, id)));
    let gone = "warning: saga `b` was in flight and is not there any more\n";
    assert!(said.stderr.starts_with(gone), "{said:?}");
}

#[tokio::test]
async fn what_a_look_does_not_cover_is_said_once_and_that_it_is_over() {
    let (running, over) = (saga("a", "running", 1), saga("b", "completed", 1));
    let mut answers = vec![page(ACTIVE, &[]), page(ENDED, &[])];
    for _ in 0..2 {
        answers.extend(without_end(ACTIVE, &running));
        answers.extend(without_end(ENDED, &over));
    }
    answers.extend([page(ACTIVE, &[&running]), page(ENDED, &[&over]), no(ACTIVE)]);
    let said = Api::with(answers).await.saga(&["watch"]).await;
    assert_eq!(said.stdout.lines().count(), 2, "{said:?}");
    let (talk, _) = said.stderr.split_once("error: ").expect("the last answer is a no");
    assert_eq!(
        talk,
        "warning: more than 5000 sagas are in flight: older ones are not watched\n\
         warning: more than 5000 sagas began and ended since the last look: the older of them \
         are not shown\n\
         all sagas in flight are watched again\n\
         all sagas that end are shown again\n"
    );
}
