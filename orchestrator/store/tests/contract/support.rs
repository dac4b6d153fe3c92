//! Sagas for tests, and the shortest way to move them.

use std::{sync::Arc, time::Duration};

use saga_protocol::{Json, SagaId, Timestamp};
use saga_store::{
    Claim, Claimed, Error, Page, Paged, Row, Start, Started, Store, Update, Verdict, Wake,
};

/// Far longer than anything here takes on a machine that is busy compiling.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

pub(crate) fn json(text: &str) -> Json {
    Json::from(serde_json::value::RawValue::from_string(text.to_owned()).unwrap())
}

/// A saga that runs, of the definition `order`, without keys; it need not be looked at for an hour.
pub(crate) fn start_at(now: Timestamp) -> Start {
    let id = SagaId(uuid::Uuid::now_v7());
    Start {
        id,
        definition: "order".to_owned(),
        definition_hash: "0123456789ab".to_owned(),
        key: None,
        idempotency_key: None,
        request_hash: [1; 32],
        input: json(r#"{"total":4200}"#),
        value: Some((4200, "EUR".to_owned())),
        created_at: now,
        first: Update {
            id,
            loaded: 0,
            journal: vec![json(r#"{"event":"started"}"#)],
            status: "running",
            paused_at: None,
            state: state("running"),
            wake: Wake::At(now.after(HOUR)),
            finished_at: None,
        },
    }
}

/// A state whose one step has this status.
pub(crate) fn state(step: &str) -> Json {
    json(&format!(
        r#"{{"status":"running","steps":[{{"name":"payment","participant":"payment",
        "status":"{step}","attempts":1}}]}}"#
    ))
}

/// Whether a status is one of an end.
pub(crate) fn is_end(status: &str) -> bool {
    ["completed", "compensated", "partly_compensated", "abandoned"].contains(&status)
}

/// How an update leaves a saga: with this status, and with whatever goes with it.
pub(crate) fn update_to(row: &Row, status: &'static str, now: Timestamp) -> Update {
    let ended = is_end(status);
    Update {
        id: row.id,
        loaded: row.version,
        journal: vec![json(&format!(r#"{{"to":"{status}"}}"#))],
        status,
        paused_at: None,
        state: state(status),
        wake: if ended { Wake::Never } else { Wake::Keep },
        finished_at: ended.then_some(now),
    }
}

/// Starts these; all of them must be created.
pub(crate) async fn create(store: &dyn Store, starts: &[Start]) {
    let started = store.start(starts.to_vec()).await.unwrap();
    let created = started.iter().filter(|started| matches!(started, Started::Created)).count();
    assert_eq!(created, starts.len(), "not all were created: {started:?}");
}

/// Starts one that runs.
pub(crate) async fn created(store: &dyn Store) -> SagaId {
    let start = start_at(store.now().await.unwrap());
    create(store, std::slice::from_ref(&start)).await;
    start.id
}

/// Decides once about sagas that nobody holds.
pub(crate) async fn change(
    store: &dyn Store,
    ids: impl Into<Vec<SagaId>>,
    mut decide: impl FnMut(&Claimed) -> Verdict + Send,
) -> Result<(), Error> {
    let mut decide = |claimed: Claimed| {
        assert!(claimed.busy.is_empty() && claimed.absent.is_empty(), "{claimed:?}");
        decide(&claimed)
    };
    store.transact(Claim::Sagas(ids.into()), &mut decide).await
}

/// Moves a saga to a status.
pub(crate) async fn move_to(store: &dyn Store, id: SagaId, status: &'static str) {
    let moved = change(store, [id], |claimed| Verdict {
        updates: claimed.rows.iter().map(|row| update_to(row, status, claimed.now)).collect(),
        ..Verdict::default()
    });
    moved.await.unwrap();
}

pub(crate) async fn row(store: &dyn Store, id: SagaId) -> Row {
    store.get(&[id]).await.unwrap().pop().expect("there is such a saga")
}

/// All versions in a saga's journal.
pub(crate) async fn versions(store: &dyn Store, id: SagaId) -> Vec<i64> {
    let page = Page { after: None, limit: 1000 };
    let journal = store.journal(id, &page).await.unwrap();
    journal.iter().map(|entry| entry.version).collect()
}

/// The cursors of all rows of a list, read by pages of so many.
pub(crate) async fn all<T, C: Clone>(
    limit: u32,
    cursor: impl Fn(&T) -> C,
    read: impl AsyncFn(Page<C>) -> Result<Paged<T>, Error>,
) -> Vec<C> {
    let mut found = Vec::new();
    loop {
        let page = read(Page { after: found.last().cloned(), limit }).await.unwrap();
        assert!(page.items.len() <= usize::try_from(limit).unwrap());
        assert!(!(page.more && page.items.is_empty()), "an empty page says that there is more");
        assert!(found.is_empty() || !page.items.is_empty(), "there was no more, as was said");
        found.extend(page.items.iter().map(&cursor));
        if !page.more {
            return found;
        }
    }
}

pub(crate) async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    let Ok(done) = tokio::time::timeout(DEADLINE, work).await else {
        panic!("waited {DEADLINE:?} in vain for: {what}");
    };
    done
}

/// Runs so many at once, half of them on each store, and returns what each came to.
pub(crate) async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    count: usize,
    stores: [Arc<dyn Store>; 2],
    work: impl Fn(usize, Arc<dyn Store>) -> F,
) -> Vec<T> {
    let tasks: Vec<_> =
        (0..count).map(|n| tokio::spawn(work(n, Arc::clone(&stores[n % 2])))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(in_time("a task", task).await.unwrap());
    }
    results
}
