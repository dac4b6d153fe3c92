//! The store as one orchestrator has it: what it asks goes wrong as the seed says, and ends with
//! the process.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use async_trait::async_trait;
use saga_protocol::{SagaId, Timestamp};
use saga_store::{
    Claim, Claimed, Closure, DeadLetter, DeadLetterRow, Decide, DefinitionRow, Error, Filter,
    InFlight, JournalRow, Letters, Page, Paged, Postpone, Row, Sideline, Start, Started, Store,
    Verdict, Version, Versions,
};
use uuid::Uuid;

use crate::{bus::short, fault::Fault, held, life::Life, world::World};

/// How long a slow call takes.
const SLOW_MAX_MS: u64 = 3_000;

/// The store of one orchestrator.
pub(crate) struct ProcessStore {
    pub(crate) world: Arc<World>,
    pub(crate) name: Arc<str>,
    pub(crate) life: Arc<Life>,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Done,
    /// It fails before anything happens.
    Transient,
    /// It is done, and nobody says so.
    UnknownDone,
    /// It is decided and not done, and this is said.
    Undone(Fault),
    /// It is rolled back and decided anew.
    Twice,
}

impl ProcessStore {
    fn fate(&self) -> Fate {
        let world = &self.world;
        if world.is_store_away.load(Ordering::Relaxed) || world.strikes(Fault::StoreTransient) {
            return Fate::Transient;
        }
        if world.strikes(Fault::StoreUnknownDone) {
            return Fate::UnknownDone;
        }
        for fault in [Fault::StoreAborts, Fault::StoreUnknownUndone, Fault::StoreConflict] {
            if world.strikes(fault) {
                return Fate::Undone(fault);
            }
        }
        if world.strikes(Fault::StoreDecidesTwice) { Fate::Twice } else { Fate::Done }
    }

    /// Lets the process die at this call, perhaps.
    async fn may_die(&self) {
        if self.world.strikes(Fault::KilledCalling) {
            self.world.kill_soon(&self.name, &self.life);
            self.life.running().await;
        }
    }

    async fn may_wait(&self) {
        if self.world.strikes(Fault::StoreSlow) {
            tokio::time::sleep(self.world.dice.millis(1..SLOW_MAX_MS)).await;
        }
    }

    /// A call that is one statement.
    async fn call<T>(
        &self,
        asked: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        self.life.running().await;
        self.may_die().await;
        let fate = self.fate();
        if fate == Fate::Transient {
            tokio::task::yield_now().await;
            return Err(transient());
        }
        let answer = self.life.call(async {
            self.may_wait().await;
            match fate {
                Fate::Undone(fault) => Err(undone(fault)),
                Fate::UnknownDone => asked.await.and(Err(unknown())),
                Fate::Done | Fate::Twice | Fate::Transient => asked.await,
            }
        });
        let answer = answer.await;
        self.may_die().await;
        answer
    }

    /// Tells what a transaction has committed.
    fn tell(&self, verdict: &Verdict, fate: Fate) {
        let became = match fate {
            Fate::Done | Fate::Twice | Fate::Transient => "decided",
            Fate::UnknownDone => "decided, and nobody says whether it is committed, which it is",
            Fate::Undone(_) => "decided, which is not committed",
        };
        for update in &verdict.updates {
            self.world.trace.say(&self.name, || {
                let (id, version) = (update.id.to_string(), update.version());
                let entries: Vec<_> = update.journal.iter().map(|entry| entry.get()).collect();
                let (id, status) = (short(&id), update.status);
                format!("{became}: {id} version {version} {status} {}", entries.join(" "))
            });
        }
        for (id, at) in &verdict.wakes {
            self.world.trace.say(&self.name, || {
                format!("{became}: {} is looked at again at {at}", short(&id.to_string()))
            });
        }
        for letter in &verdict.letters {
            self.world.trace.say(&self.name, || format!("{became}: a letter: {}", letter.reason));
        }
    }
}

fn transient() -> Error {
    Error::Transient("the simulation says no".to_owned())
}

fn unknown() -> Error {
    Error::Unknown("the simulation does not say".to_owned())
}

fn undone(fault: Fault) -> Error {
    match fault {
        Fault::StoreUnknownUndone => unknown(),
        Fault::StoreConflict => Error::Conflict("the simulation says so".to_owned()),
        _ => transient(),
    }
}

#[async_trait]
impl Store for ProcessStore {
    async fn start(&self, starts: Vec<Start>) -> Result<Vec<Started>, Error> {
        for start in &starts {
            self.world.trace.say(&self.name, || {
                let (id, definition) = (start.id.to_string(), &start.definition);
                let entry = start.first.journal.first().map_or("", |entry| entry.get());
                let key = &start.idempotency_key;
                format!("starts: {} {definition} {key:?} {entry}", short(&id))
            });
        }
        let answer = self.call(self.world.store.start(starts)).await;
        self.world.trace.say(&self.name, || match &answer {
            Ok(started) => format!("started: {:?}", started.iter().map(word).collect::<Vec<_>>()),
            Err(error) => format!("start failed: {error}"),
        });
        answer
    }

    async fn transact(&self, claim: Claim, decide: Decide<'_>) -> Result<(), Error> {
        self.life.running().await;
        self.may_die().await;
        let fate = self.fate();
        if fate == Fate::Transient {
            tokio::task::yield_now().await;
            return Err(transient());
        }
        let poisoned = *held(&self.world.poisoned);
        let mut refused = None;
        let mut rolls_back = fate == Fate::Twice;
        let mut guarded = |claimed: Claimed| {
            let verdict = decide(claimed);
            let poison = verdict.updates.iter().find(|update| Some(update.id) == poisoned);
            refused = poison.map(|update| Error::Permanent(format!("`{}` is poisoned", update.id)));
            if let Some(error) = &refused {
                let decided = verdict.updates.len();
                self.world.trace.say(&self.name, || format!("{error}: {decided} are not written"));
            }
            if std::mem::take(&mut rolls_back) || refused.is_some() {
                return Verdict::default();
            }
            self.tell(&verdict, fate);
            if matches!(fate, Fate::Undone(_)) { Verdict::default() } else { verdict }
        };
        let answer = self.life.call(async {
            self.may_wait().await;
            if fate == Fate::Twice {
                self.world.store.transact(claim.clone(), &mut guarded).await?;
            }
            self.world.store.transact(claim, &mut guarded).await
        });
        let answer = answer.await;
        self.may_die().await;
        answer?;
        match (refused, fate) {
            (Some(error), _) => Err(error),
            (None, Fate::Undone(fault)) => Err(undone(fault)),
            (None, Fate::UnknownDone) => Err(unknown()),
            (None, Fate::Done | Fate::Twice | Fate::Transient) => Ok(()),
        }
    }

    async fn postpone(&self, wakes: &[Postpone]) -> Result<(), Error> {
        self.call(self.world.store.postpone(wakes)).await
    }

    async fn sideline(&self, sideline: &Sideline) -> Result<(), Error> {
        self.world.trace.say(&self.name, || format!("sets aside: {sideline:?}"));
        self.call(self.world.store.sideline(sideline)).await
    }

    async fn get(&self, ids: &[SagaId]) -> Result<Vec<Row>, Error> {
        self.call(self.world.store.get(ids)).await
    }

    async fn find(&self, definition: &str, key: &str) -> Result<Option<Row>, Error> {
        self.call(self.world.store.find(definition, key)).await
    }

    async fn list(&self, filter: &Filter, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        self.call(self.world.store.list(filter, page)).await
    }

    async fn unended(&self, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        self.call(self.world.store.unended(page)).await
    }

    async fn waking(&self, page: &Page<(Timestamp, SagaId)>) -> Result<Paged<Row>, Error> {
        self.call(self.world.store.waking(page)).await
    }

    async fn journal(&self, id: SagaId, page: &Page<i64>) -> Result<Vec<JournalRow>, Error> {
        self.call(self.world.store.journal(id, page)).await
    }

    async fn put_definitions(&self, definitions: &[DefinitionRow]) -> Result<(), Error> {
        self.call(self.world.store.put_definitions(definitions)).await
    }

    async fn definitions(&self, hashes: &[String]) -> Result<Vec<DefinitionRow>, Error> {
        self.call(self.world.store.definitions(hashes)).await
    }

    async fn versions(&self, which: &Versions) -> Result<Vec<Version>, Error> {
        self.call(self.world.store.versions(which)).await
    }

    async fn in_flight(&self) -> Result<Vec<InFlight>, Error> {
        self.call(self.world.store.in_flight()).await
    }

    async fn park(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        self.call(self.world.store.park(letters)).await
    }

    async fn letters(
        &self,
        which: Letters,
        page: &Page<(Timestamp, Uuid)>,
    ) -> Result<Paged<DeadLetterRow>, Error> {
        self.call(self.world.store.letters(which, page)).await
    }

    async fn letter(&self, id: Uuid) -> Result<Option<DeadLetterRow>, Error> {
        self.call(self.world.store.letter(id)).await
    }

    async fn close_letter(&self, id: Uuid, closure: &Closure) -> Result<bool, Error> {
        self.call(self.world.store.close_letter(id, closure)).await
    }

    async fn maintain(&self) -> Result<(), Error> {
        self.call(self.world.store.maintain()).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        let now = self.call(self.world.store.now()).await;
        tokio::time::sleep(Duration::ZERO).await;
        now
    }
}

fn word(started: &Started) -> String {
    match started {
        Started::Created => "created".to_owned(),
        Started::Existing(row) => format!("is {}", short(&row.id.to_string())),
        Started::OtherRequest(row) => format!("other request {}", short(&row.id.to_string())),
        Started::KeyInUse(row) => format!("key in use by {}", short(&row.id.to_string())),
    }
}
