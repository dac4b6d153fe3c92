//! Reading sagas: lists, one by its id, and its journal.

use axum::extract::State;
use saga_protocol::SagaId;
use tracing::Instrument;

use super::{
    App,
    error::{Code, Problem},
    extract::{Parameters, SagaPath},
    query::{JournalQuery, ListQuery},
    view::{Document, Page, RecordView, SagaView},
};
use saga_engine::Snapshot;

/// `GET /v1/sagas`.
pub(super) async fn list(
    State(app): State<App>,
    Parameters(query): Parameters<ListQuery>,
) -> Result<Document, Problem> {
    let (filter, page) = query.read()?;
    let sagas = detached(async move { app.engine.list(&filter, &page).await }).await??;
    let views = sagas.items.iter().map(SagaView::of).collect();
    Ok(Document::of(&Page::new(views, sagas.more, SagaView::id)))
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
    let more = records.len() >= limit as usize;
    let views = records.iter().map(RecordView::of).collect();
    Ok(Document::of(&Page::new(views, more, RecordView::version)))
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

/// There is no such saga.
pub(super) fn not_found(id: SagaId) -> Problem {
    Problem::new(Code::SagaNotFound, format!("there is no saga `{id}`"))
}
