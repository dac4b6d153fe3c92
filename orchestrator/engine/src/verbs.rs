//! What operators order: one event for one saga, decided and committed before it is answered.

use std::time::Duration;

use saga_core::saga::{Event, Order, Rejection};
use saga_protocol::SagaId;
use saga_runtime::failpoint::Point;
use saga_store::Claim;
use tokio::time::{Instant, timeout_at};

use crate::{Engine, Snapshot, Unavailable, commit::commit, fold::Folder};

/// How long an order tries to get hold of a saga that is busy, or of a database that is away.
const ORDER_MAX: Duration = Duration::from_secs(5);
/// Before a saga that is busy is tried again: a transaction takes a few milliseconds.
const BUSY_AGAIN: Duration = Duration::from_millis(20);
/// Before a database that is away is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(200);

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum VerbError {
    /// There is no such saga.
    #[error("there is no saga `{0}`")]
    NotFound(SagaId),
    /// It does not fit the saga's state. An order that changes nothing, because the saga is already
    /// so, is no error.
    #[error("{rejection}")]
    Refused {
        /// What stands against it.
        rejection: Rejection,
        /// The saga as it is.
        snapshot: Box<Snapshot>,
    },
    /// The saga's definition or state is not understood here.
    #[error("{0}")]
    NotUnderstood(String),
    /// The database cannot be reached; the order may have been carried out.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Engine {
    /// Carries out an order. `Ok` is the saga after it, durable.
    ///
    /// # Errors
    /// [`VerbError`].
    pub async fn order(&self, id: SagaId, order: Order) -> Result<Snapshot, VerbError> {
        let event = Event::Operator(order);
        let deadline = Instant::now() + ORDER_MAX;
        loop {
            let mut folder = Folder::new(&self.0);
            let mut decide = |claimed| folder.fold(claimed, |_| vec![&event]);
            let ordering = self.0.store.transact(Claim::Sagas(vec![id]), &mut decide);
            let ordering = commit(Point::OrderBeforeCommit, Point::OrderAfterCommit, ordering);
            let Ok(result) = timeout_at(deadline, ordering).await else {
                return Err(Unavailable(format!("no answer within {ORDER_MAX:?}")).into());
            };
            let (busy_because, again) = match result {
                Ok(()) if folder.absent.contains(&id) => return Err(VerbError::NotFound(id)),
                Ok(()) if let Some(hash) = folder.unknown.get(&id) => {
                    self.learn([hash.clone()].into()).await.map_err(Unavailable::from)?;
                    if self.0.definitions.version(hash).is_none() {
                        let why = format!("definition version `{hash}` is not known");
                        return Err(VerbError::NotUnderstood(why));
                    }
                    continue;
                }
                Ok(()) if folder.busy.is_empty() => return self.answer(folder).await,
                Ok(()) => ("the saga is busy".to_owned(), BUSY_AGAIN),
                Err(error @ saga_store::Error::Permanent(_)) => {
                    return Err(Unavailable::from(error).into());
                }
                Err(
                    error @ (saga_store::Error::Transient(_)
                    | saga_store::Error::Unknown(_)
                    | saga_store::Error::Conflict(_)),
                ) => (error.to_string(), TRY_AGAIN),
            };
            if Instant::now() >= deadline {
                return Err(Unavailable(busy_because).into());
            }
            tokio::time::sleep(again).await;
        }
    }

    async fn answer(&self, mut folder: Folder<'_>) -> Result<Snapshot, VerbError> {
        let Some(folded) = folder.sagas.pop() else {
            return Err(Unavailable("the saga was not returned".to_owned()).into());
        };
        if let Some(reason) = folded.not_understood() {
            return Err(VerbError::NotUnderstood(reason.to_owned()));
        }
        let (rejection, snapshot) = (folded.rejection(0).cloned(), folded.snapshot());
        self.committed(vec![folded]).await;
        match rejection {
            None | Some(Rejection::Unchanged(_)) => Ok(snapshot),
            Some(rejection) => Err(VerbError::Refused { rejection, snapshot: Box::new(snapshot) }),
        }
    }
}
