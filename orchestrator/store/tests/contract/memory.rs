//! What the store in memory alone can be asked: that its clock is tokio's, that a caller who goes
//! away leaves nothing, that one run is as the other.

use std::{sync::Arc, time::Duration};

use saga_protocol::{SagaId, Timestamp};
use saga_store::{Claim, Claimed, Error, Memory, Start, Store, Verdict};
use tokio::time::sleep;
use uuid::Uuid;

use crate::support::{HOUR, change, create, created, row, start_at, update_to, versions};

/// Takes a saga on by one version.
async fn step(store: &Memory, id: SagaId) -> Result<(), Error> {
    change(store, [id], |claimed| Verdict {
        updates: claimed.rows.iter().map(|row| update_to(row, "running", claimed.now)).collect(),
        ..Verdict::default()
    })
    .await
}

#[tokio::test(start_paused = true)]
async fn its_clock_is_that_of_tokio() {
    let store = Memory::new();
    let before = store.now().await.unwrap();
    assert_eq!(store.now().await.unwrap(), before);
    sleep(HOUR).await;
    assert_eq!(store.now().await.unwrap(), before.after(HOUR));
}

#[tokio::test(start_paused = true)]
async fn who_is_killed_in_the_middle_leaves_nothing() {
    let store = Memory::that_takes(|| HOUR);
    let id = created(&store).await;
    let (began, mut started) = (store.now().await.unwrap(), Vec::new());
    for cut in [Duration::ZERO, HOUR / 2] {
        let start = start_at(began);
        started.push(start.id);
        let killed = tokio::time::timeout(cut, store.start(vec![start])).await;
        assert!(killed.is_err());
        let mut decided = false;
        let mut decide = |claimed: Claimed| {
            decided = true;
            let to = |row| update_to(row, "stuck", claimed.now);
            Verdict { updates: claimed.rows.iter().map(to).collect(), ..Verdict::default() }
        };
        let claim = Claim::Sagas(vec![id]);
        assert!(tokio::time::timeout(cut, store.transact(claim, &mut decide)).await.is_err());
        assert!(cut.is_zero() || decided, "it was killed before it decided");
    }
    assert!(store.get(&started).await.unwrap().is_empty());
    assert_eq!(row(&store, id).await.status, "running");
    // Nothing is locked either, nor where the decision panics.
    let mut panics = |_: Claimed| -> Verdict { panic!("as a test does") };
    let (panicking, claim) = (store.clone(), Claim::Sagas(vec![id]));
    let panicked = tokio::spawn(async move { panicking.transact(claim, &mut panics).await });
    assert!(panicked.await.is_err());
    step(&store, id).await.unwrap();
    assert_eq!(versions(&store, id).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn transactions_overlap_for_as_long_as_they_are_said_to_take() {
    for takes in [Duration::ZERO, HOUR] {
        let store = Memory::that_takes(move || takes);
        let id = created(&store).await;
        let (first, before) = (store.clone(), store.now().await.unwrap());
        let first = tokio::spawn(async move { step(&first, id).await });
        tokio::task::yield_now().await;
        assert_eq!(row(&store, id).await.version, 1, "it is written at its end");
        let mut busy = Vec::new();
        let mut look = |claimed: Claimed| {
            busy = claimed.busy;
            Verdict::default()
        };
        store.transact(Claim::Sagas(vec![id]), &mut look).await.unwrap();
        assert_eq!(busy, [id], "{takes:?}");
        first.await.unwrap().unwrap();
        assert_eq!(row(&store, id).await.version, 2);
        assert_eq!(store.now().await.unwrap(), before.after(takes));
    }
}

#[tokio::test]
async fn only_what_was_claimed_can_be_changed() {
    let store = Memory::new();
    let (id, other) = (created(&store).await, created(&store).await);
    let row_of_other = row(&store, other).await;
    let changed = change(&store, [id], |claimed| Verdict {
        updates: vec![update_to(&row_of_other, "stuck", claimed.now)],
        ..Verdict::default()
    });
    assert!(matches!(changed.await, Err(Error::Permanent(_))));
}

#[tokio::test]
async fn one_run_is_as_the_other() {
    assert_eq!(run().await, run().await);
}

/// What became of sagas that many tasks moved at once, in a time of their own.
async fn run() -> String {
    let work = || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let store = Memory::new();
            let now = store.now().await.unwrap();
            create(&store, &(0..8).map(|n| numbered(n, now)).collect::<Vec<_>>()).await;
            let tasks = (0..16).map(|_| tokio::spawn(drain(store.clone())));
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
            let dump = store.dump();
            assert!(dump.sagas.iter().all(|(row, journal)| row.version == 2 && journal.len() == 2));
            format!("{dump:?}")
        })
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

fn numbered(n: u128, now: Timestamp) -> Start {
    let mut start = start_at(now);
    start.id = SagaId(Uuid::from_u128(n));
    start.first.id = start.id;
    start.first.wake = saga_store::Wake::At(now);
    start
}

/// Takes on whatever is due, a few at a time, until nothing is.
async fn drain(store: Memory) {
    let store: Arc<dyn Store> = Arc::new(store);
    loop {
        let mut took = 0;
        let mut decide = |claimed: Claimed| {
            took = claimed.rows.len();
            let to = |row| update_to(row, "completed", claimed.now);
            Verdict { updates: claimed.rows.iter().map(to).collect(), ..Verdict::default() }
        };
        store.transact(Claim::Due(3), &mut decide).await.unwrap();
        if took == 0 {
            return;
        }
    }
}
