//! Promises of `start`.

use std::{collections::BTreeMap, sync::Arc};

use saga_protocol::{SagaId, Timestamp};
use saga_store::{Error, Page, Start, Started, Store, Wake};

use crate::support::{at_once, create, is_end, move_to, row, start_at, versions};

pub(crate) async fn a_start_is_durable_and_may_be_repeated(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let now = store.now().await.unwrap();
    let mut start = start_at(now);
    start.key = Some("o-1".to_owned());
    start.idempotency_key = Some("a".to_owned());
    create(&*store, std::slice::from_ref(&start)).await;
    let row = row(&*other, start.id).await;
    assert_eq!((row.status.as_str(), row.version), ("running", 1));
    assert_eq!((row.definition.as_str(), row.key.as_deref()), ("order", Some("o-1")));
    assert_eq!(row.value, start.value);
    assert_eq!((row.created_at, row.updated_at, row.finished_at), (now, now, None));
    assert_eq!(row.wake_at.map(Wake::At), Some(start.first.wake));
    assert_eq!(row.input.get(), start.input.get());
    assert_eq!(row.state.get(), start.first.state.get());

    // Whoever was not told of the commit repeats it, whatever became of the saga.
    create(&*other, &[start.clone(), start.clone()]).await;
    move_to(&*store, start.id, "compensated").await;
    create(&*other, std::slice::from_ref(&start)).await;
    let journal = store.journal(start.id, &Page { after: None, limit: 9 }).await.unwrap();
    assert_eq!(journal[0].at, now);
    assert_eq!(journal[0].entry.get(), start.first.journal[0].get());
    assert_eq!(versions(&*store, start.id).await, [1, 2]);
}

/// What is to come of a start.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    Created,
    Existing,
    OtherRequest,
    KeyInUse,
}

/// The header and body of a second start with the business key of a first one, whose header was `a`
/// and body `b`; what is to come of it while the first one holds the key, and once it has given it
/// back.
const SECOND: [(Option<&str>, u8, Expected, Expected); 6] = [
    (Some("a"), b'b', Expected::Existing, Expected::Existing),
    (Some("a"), b'x', Expected::OtherRequest, Expected::OtherRequest),
    (None, b'b', Expected::Existing, Expected::Existing),
    (None, b'x', Expected::KeyInUse, Expected::KeyInUse),
    (Some("n"), b'b', Expected::KeyInUse, Expected::Created),
    (Some("n"), b'x', Expected::KeyInUse, Expected::Created),
];

fn start(now: Timestamp, key: &str, header: Option<&str>, body: u8) -> Start {
    Start {
        key: Some(key.to_owned()),
        idempotency_key: header.map(|header| format!("{header} {key}")),
        request_hash: [body; 32],
        ..start_at(now)
    }
}

fn check(started: &Started, expected: Expected, first: SagaId, case: &str) {
    let (is, of) = match started {
        Started::Created => (Expected::Created, None),
        Started::Existing(row) => (Expected::Existing, Some(row.id)),
        Started::OtherRequest(row) => (Expected::OtherRequest, Some(row.id)),
        Started::KeyInUse(row) => (Expected::KeyInUse, Some(row.id)),
    };
    assert_eq!(is, expected, "{case}");
    assert!(of.is_none_or(|id| id == first), "{case}: it names another saga");
}

pub(crate) async fn keys_decide_what_a_start_comes_to(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let now = store.now().await.unwrap();
    let (mut firsts, mut seconds, mut cases) = (Vec::new(), Vec::new(), Vec::new());
    for status in [
        "running",
        "compensating",
        "stuck",
        "completed",
        "compensated",
        "partly_compensated",
        "abandoned",
    ] {
        let gives_back = is_end(status) && status != "completed";
        // A first one without a header is repeated without one; there is nothing else to know it
        // by.
        for first_header in [Some("a"), None] {
            for (n, (header, body, held, freed)) in SECOND.into_iter().enumerate() {
                if first_header.is_none() && header == Some("a") {
                    continue;
                }
                let key = format!("{status} {first_header:?} {n}");
                let first = start(now, &key, first_header, b'b');
                let second = start(now, &key, header, body);
                cases.push((first.id, status, if gives_back { freed } else { held }, key));
                firsts.push(first);
                seconds.push(second);
            }
        }
    }
    create(&*store, &firsts).await;
    for (id, status, ..) in &cases {
        if *status != "running" {
            move_to(&*store, *id, status).await;
        }
    }
    // The same keys of another definition are other keys.
    let elsewhere = |start: &Start| Start { definition: "parcel".to_owned(), ..start.clone() };
    let mut elsewhere: Vec<_> = firsts.iter().map(elsewhere).collect();
    for start in &mut elsewhere {
        start.id = SagaId(uuid::Uuid::now_v7());
        start.first.id = start.id;
    }
    create(&*store, &elsewhere).await;
    let started = other.start(seconds).await.unwrap();
    for (started, (first, _, expected, case)) in started.iter().zip(&cases) {
        check(started, *expected, *first, case);
    }
}

pub(crate) async fn keys_decide_within_a_batch_too(store: Arc<dyn Store>, _: Arc<dyn Store>) {
    let now = store.now().await.unwrap();
    let (mut batch, mut cases) = (Vec::new(), Vec::new());
    for (n, (header, body, held, _)) in SECOND.into_iter().enumerate() {
        let key = format!("{n}");
        let first = start(now, &key, Some("a"), b'b');
        cases.push((Expected::Created, first.id, key.clone()));
        cases.push((held, first.id, key.clone()));
        batch.extend([first, start(now, &key, header, body)]);
    }
    // One that ends with its start holds no key, and still there is no second one without a header.
    for body in [b'b', b'b', b'x'] {
        let mut ended = start(now, "ended", None, body);
        (ended.first.status, ended.first.wake) = ("compensated", Wake::Never);
        ended.first.finished_at = Some(now);
        batch.push(ended);
    }
    let first = batch[batch.len() - 3].id;
    let expected = [Expected::Created, Expected::Existing, Expected::KeyInUse];
    cases.extend(expected.map(|expected| (expected, first, format!("ended {expected:?}"))));
    let started = store.start(batch).await.unwrap();
    for (started, (expected, first, case)) in started.iter().zip(&cases) {
        check(started, *expected, *first, case);
    }
}

pub(crate) async fn a_start_that_cannot_be_kept_stops_its_batch(
    store: Arc<dyn Store>,
    _: Arc<dyn Store>,
) {
    let good = start_at(store.now().await.unwrap());
    for (key, status) in [("a \0 in it", "running"), ("fine", "failed")] {
        let mut bad = Start { key: Some(key.to_owned()), ..start_at(good.created_at) };
        bad.first.status = status;
        let refused = store.start(vec![good.clone(), bad]).await;
        assert!(matches!(refused, Err(Error::Permanent(_))), "{refused:?}");
        assert!(store.get(&[good.id]).await.unwrap().is_empty());
    }
    create(&*store, &[good]).await;
}

pub(crate) async fn many_starts_at_once_agree_on_one_saga_per_key(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    const KEYS: usize = 8;
    let now = store.now().await.unwrap();
    let results = at_once(16, [store.clone(), other], |n, store| async move {
        // Each batch has all keys, in an order of its own, with and without a header.
        let keys = (0..KEYS).map(|k| (k * 3 + n) % KEYS);
        let batch: Vec<_> = keys
            .map(|key| start(now, &key.to_string(), (key % 2 == 0).then_some("a"), b'b'))
            .collect();
        let started = store.start(batch.clone()).await.unwrap();
        let ids = batch.iter().zip(started).map(|(start, started)| match started {
            Started::Created => (start.key.clone(), start.id, true),
            Started::Existing(row) => (start.key.clone(), row.id, false),
            other => panic!("{other:?}"),
        });
        ids.collect::<Vec<_>>()
    });
    let mut of_key = BTreeMap::new();
    let mut created = 0;
    for (key, id, is_created) in results.await.into_iter().flatten() {
        assert_eq!(*of_key.entry(key).or_insert(id), id, "two sagas have one key");
        created += usize::from(is_created);
    }
    assert_eq!((of_key.len(), created), (KEYS, KEYS));
    for id in of_key.values() {
        assert_eq!(versions(&*store, *id).await, [1]);
    }
}
