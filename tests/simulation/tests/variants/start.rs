//! Stores that are broken where sagas start.

use async_trait::async_trait;
use saga_simulation::Parts;
use saga_store::{Error, Start, Started, Store};

use crate::{
    around::{self, StoreVariant},
    found,
};

/// Changes what is to be started, and what is said of it.
struct Broken {
    start: fn(&mut Start),
    said: fn(Started) -> Started,
}

#[async_trait]
impl StoreVariant for Broken {
    async fn start(&self, store: &dyn Store, starts: Vec<Start>) -> Result<Vec<Started>, Error> {
        let mut starts = starts;
        starts.iter_mut().for_each(self.start);
        Ok(store.start(starts).await?.into_iter().map(self.said).collect())
    }
}

fn start(what: &str, start: fn(&mut Start), said: fn(Started) -> Started) {
    let shared_store = around::store(move || Broken { start, said });
    found(what, Parts { shared_store, ..Parts::default() });
}

#[test]
fn a_store_that_forgets_idempotency_keys_is_found() {
    start("a store without idempotency keys", |start| start.idempotency_key = None, |said| said);
}

#[test]
fn a_store_that_forgets_business_keys_is_found() {
    start("a store without business keys", |start| start.key = None, |said| said);
}

#[test]
fn a_store_that_takes_a_conflict_for_a_start_is_found() {
    start(
        "a store that says `created` of what was there",
        |_| {},
        |said| match said {
            Started::Existing(_) => Started::Created,
            said => said,
        },
    );
}

/// Takes "nobody knows" for "done".
struct Hopeful;

#[async_trait]
impl StoreVariant for Hopeful {
    async fn start(&self, store: &dyn Store, starts: Vec<Start>) -> Result<Vec<Started>, Error> {
        let created = starts.iter().map(|_| Started::Created).collect();
        match store.start(starts).await {
            Err(Error::Unknown(_)) => Ok(created),
            answer => answer,
        }
    }
}

#[test]
fn a_start_that_nobody_confirmed_is_found() {
    let store = around::store(|| Hopeful);
    found("a start in doubt that is taken for done", Parts { store, ..Parts::default() });
}
