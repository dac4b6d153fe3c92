//! Reading sagas and giving orders to them, by id.

use axum::extract::State;
use saga_core::saga::{Order, Verb};
use saga_protocol::{SagaId, limits};
use serde::Deserialize;
use tracing::Instrument;

use super::{
    App,
    error::{Code, Problem},
    extract::{self, Actor, Parameters, SagaPath},
    query::{JournalQuery, ListQuery},
    view::{Document, Page, RecordView, SagaView},
};
use crate::engine::{Snapshot, VerbError};

/// What an order says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    reason: String,
}

/// `GET /v1/sagas`.
pub(super) async fn list(
    State(app): State<App>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Document, Problem> {
    let (filter, page) = query.read()?;
    let limit = page.limit;
    let sagas = detached(async move { app.engine.list(&filter, &page).await }).await??;
    let views = sagas.iter().map(SagaView::of).collect();
    Ok(Document::of(&Page::new(views, limit, SagaView::id)))
}

/// `GET /v1/sagas/{id}`.
pub(super) async fn show(
    State(app): State<App>,
    SagaPath(id): SagaPath,
) -> Result<Document, Problem> {
    let snapshot = detached(async move { app.engine.get(id).await }).await??;
    snapshot.map(|snapshot| saga(&snapshot)).ok_or_else(|| not_found(id))
}

/// `GET /v1/sagas/{id}/journal`.
pub(super) async fn journal(
    State(app): State<App>,
    SagaPath(id): SagaPath,
    Parameters(query): Parameters<JournalQuery>,
) -> Result<Document, Problem> {
    let page = query.read()?;
    let limit = page.limit;
    let records = detached(async move {
        let records = app.engine.journal(id, &page).await?;
        // A page behind the end is empty, and so is the journal of a saga that does not exist.
        let exists = !records.is_empty() || app.engine.get(id).await?.is_some();
        Ok::<_, Problem>(exists.then_some(records))
    });
    let records = records.await??.ok_or_else(|| not_found(id))?;
    let views = records.iter().map(RecordView::of).collect();
    Ok(Document::of(&Page::new(views, limit, RecordView::version)))
}

/// `POST /v1/sagas/{id}/cancel`.
pub(super) async fn cancel(
    State(app): State<App>,
    SagaPath(id): SagaPath,
    Actor(actor): Actor,
    extract::Document(envelope): extract::Document<Envelope>,
) -> Result<Document, Problem> {
    let order = Order { verb: Verb::Cancel, actor, reason: envelope.reason()? };
    let ordered = detached(async move { app.engine.order(id, order).await }).await?;
    ordered.map(|snapshot| saga(&snapshot)).map_err(Problem::from)
}

impl Envelope {
    fn reason(self) -> Result<String, Problem> {
        let max = limits::ERROR_BYTES_MAX;
        match self.reason.trim() {
            "" => {
                let detail = "`reason` is blank; it is kept in the journal for whoever asks why";
                Err(Problem::new(Code::ReasonMissing, detail))
            }
            reason if reason.len() > max => {
                let detail = format!("`reason` has at most {max} bytes");
                Err(Problem::new(Code::ReasonTooLong, detail))
            }
            reason => Ok(reason.to_owned()),
        }
    }
}

/// Runs what asks the database in a task of its own: a client that hangs up must not cut it off in
/// the middle of a transaction.
pub(super) async fn detached<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, Problem> {
    tokio::spawn(work.in_current_span()).await.map_err(Problem::internal)
}

/// A saga as a document.
pub(super) fn saga(snapshot: &Snapshot) -> Document {
    Document::of(&SagaView::of(snapshot))
}

/// Where a saga is found.
pub(super) fn link(id: SagaId) -> String {
    format!("/v1/sagas/{id}")
}

fn not_found(id: SagaId) -> Problem {
    Problem::new(Code::SagaNotFound, format!("there is no saga `{id}`"))
}

impl From<VerbError> for Problem {
    fn from(error: VerbError) -> Self {
        match error {
            VerbError::NotFound(id) => not_found(id),
            VerbError::Refused { rejection, snapshot } => {
                let code = Code::Refused(rejection.reason());
                let problem = Self::new(code, rejection.to_string());
                let row = snapshot.row;
                problem.with("saga", link(row.id)).with("saga_status", row.status)
            }
            VerbError::NotUnderstood(reason) => Self::new(Code::NotUnderstood, reason)
                .hint("is this orchestrator older than the one that wrote the saga?"),
            VerbError::Unavailable(error) => error.into(),
        }
    }
}
