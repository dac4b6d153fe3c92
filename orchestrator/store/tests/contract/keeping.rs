//! Promises of what is written without deciding.

use std::sync::Arc;

use saga_protocol::Timestamp;
use saga_store::{
    Claim, Claimed, DefinitionRow, Postpone, Sideline, Store, Verdict, Version, Versions,
};

use crate::support::{HOUR, change, created, json, move_to, row};

pub(crate) async fn only_a_later_look_of_the_same_version_postpones(
    store: Arc<dyn Store>,
    _: Arc<dyn Store>,
) {
    let id = created(&*store).await;
    let at = row(&*store, id).await.wake_at.unwrap();
    let later = at.after(HOUR);
    let earlier = Timestamp::from_micros(at.as_micros() - 1);
    for (version, wake_at, expected) in [(2, later, at), (1, earlier, at), (1, later, later)] {
        store.postpone(&[Postpone { id, version, wake_at }]).await.unwrap();
        let row = row(&*store, id).await;
        assert_eq!((row.version, row.wake_at), (1, Some(expected)));
    }
    move_to(&*store, id, "completed").await;
    store.postpone(&[Postpone { id, version: 2, wake_at: later.after(HOUR) }]).await.unwrap();
    assert_eq!(row(&*store, id).await.wake_at, None, "nobody looks at an end");
}

pub(crate) async fn a_saga_nobody_understands_is_set_aside(
    store: Arc<dyn Store>,
    _: Arc<dyn Store>,
) {
    let id = created(&*store).await;
    let before = row(&*store, id).await;
    let aside = |until| Sideline { id, until, reason: "a \0 in it".to_owned() };
    store.sideline(&aside(Some(2 * HOUR))).await.unwrap();
    let away = row(&*store, id).await;
    assert_eq!((away.status.as_str(), away.version), ("running", 1));
    assert!(away.wake_at > before.wake_at);
    assert!(away.trouble.is_some());

    store.sideline(&aside(None)).await.unwrap();
    let stuck = row(&*store, id).await;
    assert_eq!((stuck.status.as_str(), stuck.version, stuck.wake_at), ("stuck", 1, None));
    assert!(stuck.trouble.unwrap().starts_with("internal_error: a "));
    assert_eq!(stuck.state.get(), before.state.get(), "the state is left to who understands it");

    // An operator can have it looked at again, and whoever understands it moves it on.
    let looked = change(&*store, [id], |claimed| Verdict {
        wakes: vec![(id, claimed.now)],
        ..Verdict::default()
    });
    looked.await.unwrap();
    let mut seen = 0;
    let mut look = |claimed: Claimed| {
        seen = claimed.rows.len();
        Verdict::default()
    };
    store.transact(Claim::Due(9), &mut look).await.unwrap();
    assert_eq!(seen, 1);
    move_to(&*store, id, "running").await;
    assert_eq!(row(&*store, id).await.trouble, None);
    move_to(&*store, id, "completed").await;
    store.sideline(&aside(None)).await.unwrap();
    assert_eq!(row(&*store, id).await.status, "completed", "nothing leaves an end");
}

pub(crate) async fn definitions_are_kept_by_content(store: Arc<dyn Store>, other: Arc<dyn Store>) {
    let definition = |hash: &str, body: &str| DefinitionRow {
        hash: hash.to_owned(),
        name: "order".to_owned(),
        body: json(body),
    };
    store.put_definitions(&[definition("b", "2"), definition("a", "1")]).await.unwrap();
    other.put_definitions(&[definition("a", "3"), definition("c", "4")]).await.unwrap();
    let hashes = ["c", "nothing", "a"].map(str::to_owned);
    let found = store.definitions(&hashes).await.unwrap();
    let found: Vec<_> = found.iter().map(|row| (row.hash.as_str(), row.body.get())).collect();
    assert_eq!(found, [("a", "1"), ("c", "4")]);
}

pub(crate) async fn versions_are_told_with_when_they_were_first_kept(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let keep = async |store: &dyn Store, hash: &str, name: &str| {
        let (hash, name) = (hash.to_owned(), name.to_owned());
        store.put_definitions(&[DefinitionRow { hash, name, body: json("1") }]).await.unwrap();
        // The next one is kept later.
        let kept = store.now().await.unwrap();
        while store.now().await.unwrap() <= kept {}
    };
    let before = store.now().await.unwrap();
    for hash in ["b", "a", "c"] {
        keep(&*store, hash, "order").await;
    }
    keep(&*other, "d", "parcel").await;
    // Known already: it stays as old as it is.
    keep(&*other, "b", "order").await;
    let after = store.now().await.unwrap();

    let read = async |which| {
        let versions: Vec<Version> = store.versions(&which).await.unwrap();
        assert!(versions.iter().all(|it| before <= it.first_seen && it.first_seen <= after));
        assert!(versions.iter().all(|it| (it.definition == "parcel") == (it.hash == "d")));
        versions.into_iter().map(|version| version.hash).collect::<Vec<_>>()
    };
    let newest = |definition: &str, limit| {
        let definition = definition.to_owned();
        Versions::Newest { definition, limit }
    };
    assert_eq!(read(newest("order", 9)).await, ["c", "a", "b"]);
    assert_eq!(read(newest("order", 2)).await, ["c", "a"]);
    assert!(read(newest("nothing", 9)).await.is_empty());
    let these = ["b", "nothing", "d"].map(str::to_owned);
    assert_eq!(read(Versions::These(these.into())).await, ["d", "b"]);
    assert!(read(Versions::These(Vec::new())).await.is_empty());
}
