//! Promises of `transact`.

use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc},
    time::Duration,
};

use saga_protocol::{SagaId, Timestamp};
use saga_store::{
    Claim, Claimed, DeadLetter, Error, Postpone, Sideline, Store, Update, Verdict, Wake,
};
use tokio::task::JoinHandle;

use crate::support::{
    DEADLINE, HOUR, at_once, change, create, created, in_time, json, move_to, row, start_at, state,
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
    let holder = hold(store, ids[0]).await;
    let mut seen = None;
    let mut decide = |claimed| {
        seen = Some(claimed);
        Verdict::default()
    };
    other.transact(Claim::Sagas(vec![nobody, ids[1], ids[0]]), &mut decide).await.unwrap();
    let Claimed { rows, busy, absent, .. } = seen.unwrap();
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[1]]);
    assert_eq!((busy, absent), (vec![ids[0]], vec![nobody]));
    holder.let_go().await;
}

pub(crate) async fn what_is_held_is_passed_over_or_waited_for(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let now = store.now().await.unwrap();
    let mut start = start_at(now);
    start.first.wake = Wake::At(now);
    let id = start.id;
    create(&*store, &[start]).await;
    let holder = hold(store.clone(), id).await;
    let mut seen = 0;
    let mut look = |claimed: Claimed| {
        seen = claimed.rows.len();
        Verdict::default()
    };
    other.transact(Claim::Due(9), &mut look).await.unwrap();
    assert_eq!(seen, 0);
    other.postpone(&[Postpone { id, version: 1, wake_at: now.after(HOUR) }]).await.unwrap();
    assert_eq!(row(&*other, id).await.wake_at, Some(now), "who holds it moves it on");
    let aside = Sideline { id, until: None, reason: "a panic".to_owned() };
    let (setting, waits) = (other.clone(), aside.clone());
    let setting = tokio::spawn(async move { setting.sideline(&waits).await });
    assert_eq!(row(&*other, id).await.status, "running");
    holder.let_go().await;
    in_time("the saga to be set aside", setting).await.unwrap().unwrap();
    assert_eq!(row(&*other, id).await.status, "stuck");

    let holder = hold(store, id).await;
    let late = other.sideline(&aside).await;
    assert!(matches!(late, Err(Error::Transient(_))), "nobody waits for ever: {late:?}");
    holder.let_go().await;
}

/// Whoever holds a saga.
struct Holder {
    let_go: mpsc::Sender<()>,
    holding: JoinHandle<Result<(), Error>>,
}

/// Holds a saga in a transaction that changes nothing.
async fn hold(store: Arc<dyn Store>, id: SagaId) -> Holder {
    let (held, is_held) = mpsc::channel();
    let (let_go, go) = mpsc::channel::<()>();
    let holding = tokio::spawn(async move {
        let mut decide = move |claimed: Claimed| {
            assert_eq!(claimed.rows.len(), 1);
            held.send(()).unwrap();
            let _ = tokio::task::block_in_place(|| go.recv_timeout(DEADLINE));
            Verdict::default()
        };
        store.transact(Claim::Sagas(vec![id]), &mut decide).await
    });
    tokio::task::spawn_blocking(move || is_held.recv_timeout(DEADLINE)).await.unwrap().unwrap();
    Holder { let_go, holding }
}

impl Holder {
    async fn let_go(self) {
        self.let_go.send(()).unwrap();
        in_time("the holder to let go", self.holding).await.unwrap().unwrap();
    }
}

pub(crate) async fn what_must_never_be_is_refused_whole(
    store: Arc<dyn Store>,
    other: Arc<dyn Store>,
) {
    let ids = [created(&*store).await, created(&*store).await];
    let end = Some(store.now().await.unwrap());
    for (status, wake, finished_at) in [
        ("failed", Wake::Keep, None),
        ("running", Wake::Never, None),
        ("running", Wake::Keep, end),
        ("completed", Wake::Never, None),
    ] {
        let letter = DeadLetter {
            id: uuid::Uuid::now_v7(),
            source: "saga.replies".to_owned(),
            reason: "malformed".to_owned(),
            headers: json("{}"),
            body: bytes::Bytes::new(),
            sha256: [0; 32],
        };
        let parked = letter.id;
        let changed = change(&*store, ids, |claimed| {
            let [first, second] = &claimed.rows[..] else { panic!("{claimed:?}") };
            let bad = Update { wake, finished_at, ..update_to(second, status, claimed.now) };
            let updates = vec![update_to(first, "stuck", claimed.now), bad];
            Verdict { updates, letters: vec![letter.clone()], ..Verdict::default() }
        });
        let refused = changed.await;
        assert!(matches!(refused, Err(Error::Permanent(_))), "{status} {wake:?}: {refused:?}");
        for id in ids {
            assert_eq!(row(&*other, id).await.status, "running");
            assert_eq!(versions(&*other, id).await, [1]);
        }
        assert!(other.letter(parked).await.unwrap().is_none());
    }
    move_to(&*store, ids[0], "completed").await;
    let woken = change(&*store, [ids[0]], |claimed| Verdict {
        wakes: vec![(ids[0], claimed.now)],
        ..Verdict::default()
    });
    assert!(matches!(woken.await, Err(Error::Permanent(_))), "nobody looks at an end");
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
