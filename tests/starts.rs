//! Starting the same saga more than once: by `Idempotency-Key` and by business key, one after the
//! other and all at once. However often it is asked for, it is there once.

use std::collections::BTreeSet;

use anyhow::Result;
use futures_util::future::try_join_all;
use reqwest::StatusCode;
use saga_tests::{Answer, World, check, order, order_with};
use serde_json::{Value, json};

/// Clients that ask for the same at the same time.
const AT_ONCE: usize = 50;

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

/// Places the same order many times at once; answers the ids of the sagas that came of it.
async fn at_once(world: &World, headers: &[(&str, &str)], order: &Value) -> Result<Vec<Answer>> {
    try_join_all((0..AT_ONCE).map(|_| world.post("/orders", headers, order))).await
}

fn ids(answers: &[Answer]) -> BTreeSet<String> {
    answers.iter().map(|answer| answer.body["id"].to_string()).collect()
}

#[tokio::test]
async fn an_idempotency_key_starts_one_saga() -> Result<()> {
    let world = World::start().await?;
    let (wait, key) = (("prefer", "wait=30"), ("idempotency-key", "order-1"));
    let first = world.post("/orders", &[key, wait], &order("o-1")).await?;
    assert_eq!((first.status, replayed(&first)), (StatusCode::CREATED, false));
    let location = format!("/v1/sagas/{}", first.body["id"].as_str().expect("an id"));
    assert_eq!(first.headers["location"], location);

    // The same document, written differently: keys in another order, with space between.
    let mut fields: Vec<_> =
        order("o-1").as_object().expect("an object").clone().into_iter().collect();
    fields.reverse();
    let text: Vec<_> =
        fields.iter().map(|(name, value)| format!("\"{name}\" :  {value}")).collect();
    let json = ("content-type", "application/json");
    let body = format!("{{ {} }}", text.join(" ,\n"));
    let second = world.send(reqwest::Method::POST, "/orders", &[key, json], body).await?;
    assert!(second.status.is_success() && replayed(&second), "{second:?}");
    assert_eq!(second.body["id"], first.body["id"]);
    assert_eq!(second.body["status"], "completed", "the saga as it is now");
    assert_eq!(second.headers["location"], location);

    let other = world.post("/orders", &[key], &order_with("o-1", "/total", json!(1))).await?;
    assert_eq!(other.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(other.body["code"], "idempotency_key_reused");

    let elsewhere = world.post("/hasty", &[key, wait], &order("o-1")).await?;
    assert_eq!((elsewhere.status, replayed(&elsewhere)), (StatusCode::CREATED, false));
    assert_ne!(elsewhere.body["id"], first.body["id"], "a key's scope is the definition");

    let many = at_once(&world, &[("idempotency-key", "order-2")], &order("o-2")).await?;
    assert!(many.iter().all(|answer| answer.status.is_success()), "{many:?}");
    assert_eq!(ids(&many).len(), 1);
    assert_eq!(many.iter().filter(|answer| !replayed(answer)).count(), 1);

    for wrong in ["", " ", "with space", &"k".repeat(256)] {
        let refused = world.post("/orders", &[("idempotency-key", wrong)], &order("o-3")).await?;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "`{wrong}`");
    }
    let id = many[0].body["id"].as_str().expect("an id");
    world.until_status(id, "completed").await?;
    assert_eq!(world.count("select count(*) from saga.saga").await?, 3);
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_business_key_starts_one_saga() -> Result<()> {
    let world = World::start().await?;
    let first = world.place("/orders", &order("o-1")).await?;
    let same = world.post("/orders", &[], &order("o-1")).await?;
    assert!(same.status.is_success() && same.body["id"] == first["id"], "{same:?}");

    let other = world.post("/orders", &[], &order_with("o-1", "/total", json!(1))).await?;
    assert_eq!(other.status, StatusCode::CONFLICT);
    assert_eq!(other.body["code"], "key_in_use");
    let link = format!("/v1/sagas/{}", first["id"].as_str().expect("an id"));
    assert!(other.body.to_string().contains(&link), "its link: {:#}", other.body);

    let many = at_once(&world, &[], &order("o-2")).await?;
    assert!(many.iter().all(|answer| answer.status.is_success()), "{many:?}");
    assert_eq!(ids(&many).len(), 1);
    world.until_status(many[0].body["id"].as_str().expect("an id"), "completed").await?;
    assert_eq!(world.count("select count(*) from saga.saga").await?, 2);
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn a_business_key_is_free_again_after_a_saga_that_was_undone() -> Result<()> {
    let world = World::start().await?;
    let remote = order_with("o-1", "/address/country", json!("AQ"));
    let undone = world.place("/orders", &remote).await?;
    assert_eq!(undone["status"], "compensated");
    let same = world.post("/orders", &[], &remote).await?;
    assert_eq!(same.body["id"], undone["id"], "without a new Idempotency-Key it is the same order");

    let headers = [("idempotency-key", "second-try"), ("prefer", "wait=30")];
    let again = world.post("/orders", &headers, &order("o-1")).await?;
    assert_eq!((again.status, &again.body["status"]), (StatusCode::CREATED, &json!("completed")));
    assert_ne!(again.body["id"], undone["id"]);
    assert_eq!(world.get("/orders/o-1").await?.body["id"], again.body["id"], "the newest");
    check(&world.db).await?;
    Ok(())
}

#[tokio::test]
async fn pages_show_every_saga_once_newest_first() -> Result<()> {
    let world = World::start().await?;
    world.system.payment.process().stop()?;
    let mut placed = Vec::new();
    for number in 0..7 {
        placed.push(world.begin("/orders", &order(&format!("o-{number}"))).await?);
    }
    let other = world.begin("/hasty", &order("o-0")).await?;
    placed.reverse();

    let mut seen = Vec::new();
    let mut path = "/v1/sagas?definition=order&status=running&limit=3".to_owned();
    let mut pages = 0;
    loop {
        let page = world.get(&path).await?;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        let items = page.body["items"].as_array().expect("a list has items");
        seen.extend(items.iter().map(|saga| saga["id"].as_str().expect("an id").to_owned()));
        pages += 1;
        // Who starts in between does not move the pages that follow.
        world.begin("/hasty", &order(&format!("between-{pages}"))).await?;
        let Some(next) = page.body["next"].as_str() else { break };
        path = format!("/v1/sagas?definition=order&status=running&limit=3&after={next}");
    }
    assert_eq!((seen, pages), (placed, 3));

    let by_key = world.get("/v1/sagas?definition=hasty&key=o-0").await?;
    assert_eq!(by_key.body["items"][0]["id"], json!(other));
    assert_eq!(by_key.body["items"].as_array().map(Vec::len), Some(1));
    let ended = world.get("/v1/sagas?status=completed").await?;
    assert_eq!(ended.body["items"], json!([]));
    Ok(())
}
