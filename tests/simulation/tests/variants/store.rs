//! Stores that are broken where sagas change.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use saga_protocol::{Json, SagaId};
use saga_simulation::Parts;
use saga_store::{Claim, Claimed, DeadLetter, Decide, Error, Postpone, Store, Verdict, Wake};

use crate::{
    around::{self, StoreVariant},
    found,
};

/// Every so many transactions something goes wrong.
const EVERY: usize = 5;
/// As good as for ever.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long a commit takes that nobody waits for.
const LATER: Duration = Duration::from_millis(20);

/// Spoils what is written, now and then.
struct Spoils {
    transactions: AtomicUsize,
    every: usize,
    verdict: fn(&mut Verdict),
}

#[async_trait]
impl StoreVariant for Spoils {
    async fn transact(
        &self,
        store: &Arc<dyn Store>,
        claim: Claim,
        decide: Decide<'_>,
    ) -> Result<(), Error> {
        let number = self.transactions.fetch_add(1, Ordering::Relaxed);
        if !number.is_multiple_of(self.every) {
            return store.transact(claim, decide).await;
        }
        let mut spoiled = |claimed: Claimed| {
            let mut verdict = decide(claimed);
            (self.verdict)(&mut verdict);
            verdict
        };
        store.transact(claim, &mut spoiled).await
    }

    async fn park(&self, store: &dyn Store, letters: &[DeadLetter]) -> Result<(), Error> {
        let letters = letters.to_vec();
        let mut verdict = Verdict { letters, ..Verdict::default() };
        (self.verdict)(&mut verdict);
        store.park(&verdict.letters).await
    }
}

fn writes(what: &str, every: usize, verdict: fn(&mut Verdict)) {
    let spoils = move || Spoils { transactions: AtomicUsize::new(0), every, verdict };
    found(what, Parts { shared_store: around::store(spoils), ..Parts::default() });
}

#[test]
fn a_store_that_swallows_updates_is_found() {
    writes("a store that swallows updates", EVERY, |verdict| verdict.updates.clear());
}

#[test]
fn a_store_that_writes_half_a_batch_is_found() {
    writes("a store that writes half a batch", 1, |verdict| verdict.updates.truncate(1));
}

#[test]
fn a_store_that_writes_no_journal_is_found() {
    writes("a store that leaves out journal entries", EVERY, |verdict| {
        for update in &mut verdict.updates {
            update.journal.pop();
        }
    });
}

#[test]
fn a_store_that_journals_twice_is_found() {
    writes("a store that journals twice", EVERY, |verdict| {
        for update in &mut verdict.updates {
            update.journal.extend(update.journal.last().cloned());
        }
    });
}

#[test]
fn a_store_that_sorts_json_is_found() {
    writes("a store that sorts JSON, as `jsonb` does", 1, |verdict| {
        for update in &mut verdict.updates {
            let state: BTreeMap<String, Json> = serde_json::from_str(update.state.get()).unwrap();
            update.state = serde_json::value::to_raw_value(&state).unwrap();
        }
    });
}

#[test]
fn a_store_that_loses_letters_is_found() {
    writes("a store that loses letters", 1, |verdict| verdict.letters.clear());
}

#[test]
fn a_store_that_loses_the_time_to_look_is_found() {
    writes("a store that loses when to look", EVERY, |verdict| {
        for update in &mut verdict.updates {
            if let Wake::At(at) = update.wake {
                update.wake = Wake::At(at.after(FOR_EVER));
            }
        }
    });
}

/// Never finds some of the sagas that are due.
struct Overlooks;

#[async_trait]
impl StoreVariant for Overlooks {
    async fn transact(
        &self,
        store: &Arc<dyn Store>,
        claim: Claim,
        decide: Decide<'_>,
    ) -> Result<(), Error> {
        let is_due = matches!(claim, Claim::Due(_));
        let mut overlooks = |mut claimed: Claimed| {
            claimed.rows.retain(|row| !is_due || row.id.0.as_u128() % 4 > 0);
            decide(claimed)
        };
        store.transact(claim, &mut overlooks).await
    }
}

#[test]
fn a_store_that_overlooks_what_is_due_is_found() {
    let shared_store = around::store(|| Overlooks);
    found("a store that overlooks what is due", Parts { shared_store, ..Parts::default() });
}

/// Takes "nobody knows" for "done".
struct Hopeful;

#[async_trait]
impl StoreVariant for Hopeful {
    async fn transact(
        &self,
        store: &Arc<dyn Store>,
        claim: Claim,
        decide: Decide<'_>,
    ) -> Result<(), Error> {
        match store.transact(claim, decide).await {
            Err(Error::Unknown(_)) => Ok(()),
            answer => answer,
        }
    }
}

#[test]
fn a_change_that_nobody_confirmed_is_found() {
    let store = around::store(|| Hopeful);
    found("a change in doubt that is taken for done", Parts { store, ..Parts::default() });
}

/// Puts off for ever what is put off.
struct Lazy;

#[async_trait]
impl StoreVariant for Lazy {
    async fn postpone(&self, store: &dyn Store, wakes: &[Postpone]) -> Result<(), Error> {
        let late = |wake: &Postpone| Postpone { wake_at: wake.wake_at.after(FOR_EVER), ..*wake };
        let wakes: Vec<_> = wakes.iter().map(late).collect();
        store.postpone(&wakes).await
    }
}

#[test]
fn a_saga_that_is_put_off_for_ever_is_found() {
    let shared_store = around::store(|| Lazy);
    let what = "a store that puts off for ever";
    found(what, Parts { shared_store, ..Parts::default() });
}

/// Decides without holding what it decides about, and writes over what happened meanwhile.
struct Unfenced;

#[async_trait]
impl StoreVariant for Unfenced {
    async fn transact(
        &self,
        store: &Arc<dyn Store>,
        claim: Claim,
        decide: Decide<'_>,
    ) -> Result<(), Error> {
        let (verdict, touched) = decided(store, claim, decide).await?;
        tokio::time::sleep(LATER).await;
        store.transact(Claim::Sagas(touched), &mut over(verdict)).await
    }
}

#[test]
fn a_store_without_locks_and_fence_is_found() {
    let shared_store = around::store(|| Unfenced);
    found("a store without locks and fence", Parts { shared_store, ..Parts::default() });
}

/// Answers before it commits.
struct Hasty;

#[async_trait]
impl StoreVariant for Hasty {
    async fn transact(
        &self,
        store: &Arc<dyn Store>,
        claim: Claim,
        decide: Decide<'_>,
    ) -> Result<(), Error> {
        let (verdict, touched) = decided(store, claim, decide).await?;
        let store = Arc::clone(store);
        tokio::spawn(async move {
            tokio::time::sleep(LATER).await;
            let verdict = move |_: Claimed| verdict.clone();
            store.transact(Claim::Sagas(touched), &mut { verdict }).await
        });
        Ok(())
    }
}

#[test]
fn a_store_that_answers_before_its_commit_is_found() {
    let shared_store = around::store(|| Hasty);
    found("a store that answers before its commit", Parts { shared_store, ..Parts::default() });
}

/// What is decided of a claim that is let go of, and of which sagas.
async fn decided(
    store: &Arc<dyn Store>,
    claim: Claim,
    decide: Decide<'_>,
) -> Result<(Verdict, Vec<SagaId>), Error> {
    let mut verdict = Verdict::default();
    let mut touched = Vec::new();
    let mut asked = |claimed: Claimed| {
        touched = claimed.rows.iter().map(|row| row.id).collect();
        verdict = decide(claimed);
        Verdict::default()
    };
    store.transact(claim, &mut asked).await?;
    Ok((verdict, touched))
}

/// Writes a verdict over whatever is there by now.
fn over(verdict: Verdict) -> impl FnMut(Claimed) -> Verdict {
    move |claimed| {
        let mut verdict = verdict.clone();
        for update in &mut verdict.updates {
            let row = claimed.rows.iter().find(|row| row.id == update.id);
            update.loaded = row.map_or(update.loaded, |row| row.version);
        }
        let is_held = |id| claimed.rows.iter().any(|row| row.id == id);
        verdict.updates.retain(|update| is_held(update.id));
        verdict.wakes.retain(|(id, _)| is_held(*id));
        verdict
    }
}
