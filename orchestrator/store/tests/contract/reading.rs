//! Promises of reading.

use std::{sync::Arc, time::Duration};

use saga_protocol::{SagaId, Timestamp};
use saga_store::{Filter, InFlight, PAGE_BYTES_MAX, Page, Row, Start, Store, Verdict, Wake};

use crate::support::{HOUR, all, change, create, created, json, move_to, row, start_at, update_to};

pub(crate) async fn lists_page_newest_first_and_filter(store: Arc<dyn Store>, _: Arc<dyn Store>) {
    let now = store.now().await.unwrap();
    let mut starts: Vec<_> = (0..6).map(|_| start_at(now)).collect();
    starts[1].key = Some("o-1".to_owned());
    starts[2].definition = "parcel".to_owned();
    // As old as its id says.
    let old = Timestamp::from_micros(now.as_micros() - 3_600_000_000);
    starts[0].created_at = old;
    let millis = u128::try_from(old.as_micros() / 1_000).unwrap();
    starts[0].id = SagaId(uuid::Uuid::from_u128(millis << 80 | 7 << 76 | 2 << 62));
    starts[0].first.id = starts[0].id;
    create(&*store, &starts).await;
    move_to(&*store, starts[3].id, "completed").await;
    move_to(&*store, starts[4].id, "compensating").await;

    let check = async |filter: Filter, expected: &[usize]| {
        let found = all(2, |row: &Row| row.id, async |page| store.list(&filter, &page).await).await;
        let expected: Vec<_> = expected.iter().map(|n| starts[*n].id).collect();
        assert_eq!(found, expected, "{filter:?}");
    };
    let all = Filter::default;
    let some = |text: &str| Some(text.to_owned());
    check(all(), &[5, 4, 3, 2, 1, 0]).await;
    check(Filter { statuses: vec!["completed".to_owned()], ..all() }, &[3]).await;
    let statuses = ["running", "compensating"].map(str::to_owned).to_vec();
    check(Filter { statuses, ..all() }, &[5, 4, 2, 1, 0]).await;
    check(Filter { definition: some("parcel"), ..all() }, &[2]).await;
    check(Filter { key: some("o-1"), ..all() }, &[1]).await;
    check(Filter { step: some("payment"), ..all() }, &[5, 4, 2, 1, 0]).await;
    check(Filter { step: some("shipping"), ..all() }, &[]).await;
    check(Filter { created_before: Some(now), ..all() }, &[0]).await;
    move_to(&*store, starts[1].id, "abandoned").await;
    check(Filter { key: some("o-1"), definition: some("order"), ..all() }, &[1]).await;
}

pub(crate) async fn the_newest_saga_of_a_key_is_found(store: Arc<dyn Store>, _: Arc<dyn Store>) {
    let now = store.now().await.unwrap();
    let keyed = |header: &str| Start {
        key: Some("o-1".to_owned()),
        idempotency_key: Some(header.to_owned()),
        ..start_at(now)
    };
    let found = async || store.find("order", "o-1").await.unwrap().map(|row| row.id);
    assert_eq!(found().await, None);
    for header in ["a", "b", "c"] {
        let start = keyed(header);
        create(&*store, std::slice::from_ref(&start)).await;
        assert_eq!(found().await, Some(start.id));
        move_to(&*store, start.id, "compensated").await;
        assert_eq!(found().await, Some(start.id));
    }
    assert!(store.find("parcel", "o-1").await.unwrap().is_none());
}

pub(crate) async fn unended_sagas_page_oldest_first(store: Arc<dyn Store>, _: Arc<dyn Store>) {
    let mut ids = Vec::new();
    for status in ["running", "compensating", "completed", "stuck", "compensating", "running"] {
        let id = created(&*store).await;
        move_to(&*store, id, status).await;
        if status != "completed" {
            ids.push(id);
        }
    }
    let found = all(3, |row: &Row| row.id, async |page| store.unended(&page).await).await;
    assert_eq!(found, ids);
}

pub(crate) async fn sagas_in_flight_are_counted_by_version(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    assert_eq!(store.in_flight().await.unwrap(), []);
    let now = store.now().await.unwrap();
    let sagas = [
        ("order", "old", "running"),
        ("order", "old", "stuck"),
        ("order", "old", "completed"),
        ("order", "new", "compensating"),
        ("order", "new", "running"),
        ("order", "new", "running"),
        ("order", "gone", "compensated"),
        ("order", "gone", "abandoned"),
        ("parcel", "old", "stuck"),
    ];
    for (definition, hash, status) in sagas {
        let (definition, definition_hash) = (definition.to_owned(), hash.to_owned());
        let start = Start { definition, definition_hash, ..start_at(now) };
        create(&*other, std::slice::from_ref(&start)).await;
        move_to(&*other, start.id, status).await;
    }
    let count = |definition: &str, hash: &str, [running, compensating, stuck]: [u64; 3]| {
        let (definition, hash) = (definition.to_owned(), hash.to_owned());
        InFlight { definition, hash, running, compensating, stuck }
    };
    let expected = [
        count("order", "new", [2, 1, 0]),
        count("order", "old", [1, 0, 1]),
        count("parcel", "old", [0, 0, 1]),
    ];
    assert_eq!(store.in_flight().await.unwrap(), expected);
}

pub(crate) async fn sagas_that_wake_up_page_by_their_times(
    store: Arc<dyn Store>,
    _: Arc<dyn Store>,
) {
    let now = store.now().await.unwrap();
    // Two of each time; those started later wake earlier.
    let mut starts: Vec<_> = (0..6).map(|_| start_at(now)).collect();
    for (n, start) in (0..).zip(&mut starts) {
        start.first.wake = Wake::At(now.after(HOUR * (3 - n / 2)));
    }
    create(&*store, &starts).await;
    let ended = created(&*store).await;
    move_to(&*store, ended, "completed").await;
    let cursor = |row: &Row| (row.wake_at.unwrap(), row.id);
    let found = all(3, cursor, async |page| store.waking(&page).await).await;
    let ids: Vec<_> = found.into_iter().map(|cursor| cursor.1).collect();
    assert_eq!(ids, [4, 5, 2, 3, 0, 1].map(|n: usize| starts[n].id));
}

/// Of rows of which five fill a page, whatever the list.
pub(crate) async fn pages_are_limited_in_bytes(store: Arc<dyn Store>, _: Arc<dyn Store>) {
    let now = store.now().await.unwrap();
    let big = json(&format!("\"{}\"", "x".repeat(PAGE_BYTES_MAX / 10 - 200)));
    let mut starts: Vec<_> = (0..7).map(|_| start_at(now)).collect();
    for start in &mut starts {
        (start.input, start.first.state) = (big.clone(), big.clone());
    }
    create(&*store, &starts).await;
    let filter = Filter::default();
    let page = |limit| Page { after: None, limit };
    for (limit, expected) in [(4, 4), (5, 5), (6, 5), (7, 5), (200, 5)] {
        let listed = store.list(&filter, &page(limit)).await.unwrap();
        let unended = store.unended(&page(limit)).await.unwrap();
        let waking = store.waking(&Page { after: None, limit }).await.unwrap();
        for paged in [listed, unended, waking] {
            assert_eq!((paged.items.len(), paged.more), (expected, true), "{limit}");
        }
    }
    let expected: Vec<_> = starts.iter().map(|start| start.id).collect();
    let found = all(200, |row: &Row| row.id, async |page| store.unended(&page).await).await;
    assert_eq!(found, expected);

    // One that is over the limit alone is shown alone.
    let mut huge = start_at(now);
    huge.input = json(&format!("\"{}\"", "x".repeat(PAGE_BYTES_MAX)));
    create(&*store, &[huge.clone()]).await;
    let listed = store.list(&filter, &page(200)).await.unwrap();
    assert_eq!((listed.items.len(), listed.more), (1, true));
    assert_eq!(listed.items[0].input.get(), huge.input.get());
}

pub(crate) async fn a_journal_pages_by_version(store: Arc<dyn Store>, _: Arc<dyn Store>) {
    let id = created(&*store).await;
    for _ in 0..4 {
        move_to(&*store, id, "running").await;
    }
    let page = |after, limit| Page { after, limit };
    let versions = async |page| {
        let journal = store.journal(id, &page).await.unwrap();
        journal.iter().map(|entry| entry.version).collect::<Vec<_>>()
    };
    assert_eq!(versions(page(None, 2)).await, [1, 2]);
    assert_eq!(versions(page(Some(2), 2)).await, [3, 4]);
    assert_eq!(versions(page(Some(4), 2)).await, [5]);
    let nobody = SagaId(uuid::Uuid::now_v7());
    assert!(store.journal(nobody, &page(None, 2)).await.unwrap().is_empty());
}

/// Valid JSON that a database may be tempted to understand.
pub(crate) const HOSTILE: &str =
    r#"{"nul":"a\u0000b","half":"\ud83d","number":1e400000, "b":1,"b":2}"#;

pub(crate) async fn payloads_come_back_byte_for_byte(store: Arc<dyn Store>, _: Arc<dyn Store>) {
    let now = store.now().await.unwrap();
    let mut start = start_at(now);
    start.input = json(HOSTILE);
    start.first.journal = vec![json(HOSTILE)];
    let state = format!(
        r#"{{"steps":[{{"name":"payment","participant":"payment","status":"running","attempts":1,
        "output":{HOSTILE}}}]}}"#
    );
    start.first.state = json(&state);
    create(&*store, std::slice::from_ref(&start)).await;
    let changed = change(&*store, [start.id], |claimed| {
        let mut update = update_to(&claimed.rows[0], "running", claimed.now);
        (update.state, update.journal) = (json(&state), vec![json(HOSTILE)]);
        Verdict { updates: vec![update], ..Verdict::default() }
    });
    changed.await.unwrap();
    let row = row(&*store, start.id).await;
    assert_eq!((row.input.get(), row.state.get()), (HOSTILE, state.as_str()));
    let journal = store.journal(start.id, &Page { after: None, limit: 9 }).await.unwrap();
    assert_eq!(journal.iter().map(|entry| entry.entry.get()).collect::<Vec<_>>(), [HOSTILE; 2]);
    let filter = Filter { step: Some("payment".to_owned()), ..Filter::default() };
    let listed = store.list(&filter, &Page { after: None, limit: 9 }).await.unwrap();
    assert_eq!(listed.items.len(), 1, "lists look into it and go on");
    // Times keep their microseconds.
    let odd = Timestamp::from_micros(now.as_micros() / 10 * 10 + 7).after(Duration::from_secs(60));
    let looked = change(&*store, [start.id], |_| Verdict {
        wakes: vec![(start.id, odd)],
        ..Verdict::default()
    });
    looked.await.unwrap();
    assert_eq!(store.get(&[start.id]).await.unwrap()[0].wake_at, Some(odd));
}
