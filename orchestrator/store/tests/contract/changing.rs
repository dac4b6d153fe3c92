//! Promises of `transact`.

use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc},
    time::Duration,
};

use saga_protocol::{SagaId, Timestamp};
use saga_store::{Claim, Claimed, Error, Store, Update, Verdict, Wake};

use crate::support::{
    DEADLINE, HOUR, at_once, change, create, created, in_time, json, row, start_at, state,
    update_to, versions,
};

pub(crate) async fn a_change_is_written_whole_with_its_journal(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let id = created(&*store).await;
    let before = row(&*store, id).await;
    let mut at = None;
    let changed = change(&*store, [id, id], |claimed| {
        at = Some(claimed.now);
        assert_eq!(claimed.rows.len(), 1, "a saga is claimed once");
        let update = Update {
            journal: vec![json("1"), json("2"), json("3")],
            ..update_to(&claimed.rows[0], "compensating", claimed.now)
        };
        Verdict { updates: vec![update], ..Verdict::default() }
    });
    changed.await.unwrap();
    let after = row(&*other, id).await;
    assert_eq!((after.status.as_str(), after.version), ("compensating", 4));
    assert_eq!(after.state.get(), state("compensating").get());
    assert_eq!((after.created_at, after.wake_at), (before.created_at, before.wake_at));
    assert_eq!(Some(after.updated_at), at);
    assert_eq!(versions(&*store, id).await, [1, 2, 3, 4]);
}

pub(crate) async fn a_wrong_version_writes_nothing(store: Arc<dyn Store>, _: Arc<dyn Store>) {
    let ids = [created(&*store).await, created(&*store).await];
    let changed = change(&*store, ids, |claimed| {
        let mut updates: Vec<_> =
            claimed.rows.iter().map(|row| update_to(row, "stuck", claimed.now)).collect();
        updates[1].loaded -= 1;
        Verdict { updates, ..Verdict::default() }
    });
    assert!(matches!(changed.await, Err(Error::Conflict(_))));
    for id in ids {
        assert_eq!(row(&*store, id).await.status, "running");
        assert_eq!(versions(&*store, id).await, [1]);
    }
}

pub(crate) async fn what_is_busy_is_told_from_what_is_absent(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let ids = [created(&*store).await, created(&*store).await];
    let nobody = SagaId(uuid::Uuid::now_v7());
    let (held, is_held) = mpsc::channel();
    let (let_go, go) = mpsc::channel::<()>();
    let holding = tokio::spawn(async move {
        let mut decide = move |claimed: Claimed| {
            assert_eq!(claimed.rows.len(), 1);
            held.send(()).unwrap();
            let _ = tokio::task::block_in_place(|| go.recv_timeout(DEADLINE));
            Verdict::default()
        };
        store.transact(Claim::Sagas(vec![ids[0]]), &mut decide).await
    });
    tokio::task::spawn_blocking(move || is_held.recv_timeout(DEADLINE)).await.unwrap().unwrap();
    let mut seen = None;
    let mut decide = |claimed| {
        seen = Some(claimed);
        Verdict::default()
    };
    other.transact(Claim::Sagas(vec![nobody, ids[1], ids[0]]), &mut decide).await.unwrap();
    let Claimed { rows, busy, absent, .. } = seen.unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[1]]);
    assert_eq!((busy, absent), (vec![ids[0]], vec![nobody]));
    let_go.send(()).unwrap();
    in_time("the holder to let go", holding).await.unwrap().unwrap();
}

pub(crate) async fn due_sagas_are_claimed_once_earliest_first(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    const DUE: u32 = 40;
    let now = store.now().await.unwrap();
    let past = |n: u32| Timestamp::from_micros(now.as_micros() - i64::from(n) * 1_000);
    let starts: Vec<_> = (0..DUE)
        .map(|n| {
            let mut start = start_at(now);
            start.first.wake = Wake::At(past(n));
            start
        })
        .collect();
    create(&*store, &starts).await;
    created(&*store).await;
    let mut seen = Vec::new();
    let mut look = |claimed: Claimed| {
        assert!(claimed.rows.iter().all(|row| row.wake_at <= Some(claimed.now)));
        seen = claimed.rows.iter().map(|row| row.id).collect();
        Verdict::default()
    };
    store.transact(Claim::Due(3), &mut look).await.unwrap();
    let earliest: Vec<_> = starts.iter().rev().take(3).map(|start| start.id).collect();
    assert_eq!(seen, earliest);

    // Many at once share them, and nobody takes one twice: each look moves what it took away.
    let claims = at_once(16, [store.clone(), other], |_, store| async move {
        let mut mine = Vec::new();
        loop {
            let mut took = 0;
            let mut look = |claimed: Claimed| {
                took = claimed.rows.len();
                mine.extend(claimed.rows.iter().map(|row| row.id));
                let later = claimed.now.after(HOUR);
                let wakes = claimed.rows.iter().map(|row| (row.id, later)).collect();
                Verdict { wakes, ..Verdict::default() }
            };
            store.transact(Claim::Due(5), &mut look).await.unwrap();
            if took == 0 {
                return mine;
            }
        }
    });
    let all: Vec<_> = claims.await.into_iter().flatten().collect();
    assert_eq!(all.len(), starts.len());
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), starts.len());
    for start in starts {
        assert_eq!(row(&*store, start.id).await.version, 1, "a look is no transition");
    }
}

pub(crate) async fn wake_up_times_obey(store: Arc<dyn Store>, _: Arc<dyn Store>) {
    let id = created(&*store).await;
    let at = row(&*store, id).await.wake_at.unwrap();
    let earlier = Timestamp::from_micros(at.as_micros() - 1_000_000);
    for (status, wake, expected) in [
        ("running", Wake::Keep, Some(at)),
        ("running", Wake::At(earlier), Some(earlier)),
        ("stuck", Wake::Never, None),
        ("stuck", Wake::Keep, None),
    ] {
        let changed = change(&*store, [id], |claimed| Verdict {
            updates: vec![Update { wake, ..update_to(&claimed.rows[0], status, claimed.now) }],
            ..Verdict::default()
        });
        changed.await.unwrap();
        assert_eq!(row(&*store, id).await.wake_at, expected, "{status} {wake:?}");
    }
    let to = async |wake| {
        let changed = change(&*store, [id], |claimed| Verdict {
            updates: vec![Update { wake, ..update_to(&claimed.rows[0], "running", claimed.now) }],
            ..Verdict::default()
        });
        changed.await
    };
    // What runs is never forgotten: refused where it is asked for, looked at at once where nothing
    // is known.
    assert!(matches!(to(Wake::Never).await, Err(Error::Permanent(_))));
    to(Wake::Keep).await.unwrap();
    let row = row(&*store, id).await;
    assert_eq!(row.wake_at, Some(row.updated_at));
}

pub(crate) async fn many_changes_at_once_leave_no_gap(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    const TASKS: usize = 16;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.push(created(&*store).await);
    }
    let all = ids.clone();
    at_once(TASKS, [store.clone(), other], move |_, store| {
        let mut left: BTreeSet<_> = all.iter().copied().collect();
        async move {
            while !left.is_empty() {
                let claim = Claim::Sagas(left.iter().copied().collect());
                let mut done = Vec::new();
                let mut decide = |claimed: Claimed| {
                    assert!(claimed.absent.is_empty());
                    done = claimed.rows.iter().map(|row| row.id).collect();
                    let to = |row| update_to(row, "running", claimed.now);
                    Verdict { updates: claimed.rows.iter().map(to).collect(), ..Verdict::default() }
                };
                store.transact(claim, &mut decide).await.unwrap();
                left.retain(|id| !done.contains(id));
                if done.is_empty() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
    })
    .await;
    let last = i64::try_from(TASKS).unwrap() + 1;
    for id in ids {
        assert_eq!(row(&*store, id).await.version, last);
        assert_eq!(versions(&*store, id).await, (1..=last).collect::<Vec<_>>());
    }
}
