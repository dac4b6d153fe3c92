//! What there is of definitions: what is served here, and the versions that sagas follow.

use axum::extract::State;
use saga_engine::{Known, KnownVersion};
use saga_protocol::{ParticipantName, Timestamp};
use serde::Serialize;

use super::{
    App, error::Problem, extract::NamePath, sagas::detached, starts::unknown_definition,
    view::Document,
};

/// All of them. There is one page: they are as many as somebody wrote files.
#[derive(Serialize)]
struct ListView<'a> {
    items: Vec<DefinitionView<'a>>,
    next: Option<String>,
    /// Why the files as they are now are not served, where they are not.
    reload_error: Option<&'a str>,
}

/// A definition.
#[derive(Serialize)]
struct DefinitionView<'a> {
    name: &'a str,
    /// The version that new sagas follow that are started here; null where none can be.
    current: Option<&'a str>,
    description: Option<&'a str>,
    /// The path that it exposes.
    path: Option<&'a str>,
    /// Where it was read.
    file: Option<String>,
    participants: Vec<ParticipantName>,
    versions: Vec<VersionView<'a>>,
}

/// A version of a definition.
#[derive(Serialize)]
struct VersionView<'a> {
    version: &'a str,
    /// Whether new sagas that are started here follow it.
    current: bool,
    first_seen: Option<Timestamp>,
    /// How many sagas in flight follow it, by status.
    running: u64,
    compensating: u64,
    stuck: u64,
    /// Whether none does.
    drained: bool,
}

/// `GET /v1/definitions`: those that are served here or have sagas in flight. Of each, the current
/// version and those that have sagas in flight.
pub(super) async fn list(State(app): State<App>) -> Result<Document, Problem> {
    let engine = app.engine.clone();
    let known = detached(async move { engine.known().await }).await??;
    let reload_error = app.engine.definitions().reload_error();
    Ok(Document::of(&ListView {
        items: known.iter().map(DefinitionView::of).collect(),
        next: None,
        reload_error: reload_error.as_deref(),
    }))
}

/// `GET /v1/definitions/{name}`: one of them, with the newest of its versions, drained ones too.
pub(super) async fn show(
    State(app): State<App>,
    NamePath(name): NamePath,
) -> Result<Document, Problem> {
    let (engine, wanted) = (app.engine.clone(), name.clone());
    let known = detached(async move { engine.known_as(&wanted).await }).await??;
    let known = known.ok_or_else(|| unknown_definition(&app, &name))?;
    Ok(Document::of(&DefinitionView::of(&known)))
}

impl<'a> DefinitionView<'a> {
    fn of(known: &'a Known) -> Self {
        let current = known.current.as_ref();
        let definition = current.map(|source| &*source.definition);
        let expose = definition.and_then(|definition| definition.expose.as_ref());
        let participants = definition.map(|definition| definition.participants());
        let hash = definition.map(|definition| definition.hash.as_str());
        Self {
            name: &known.name,
            current: hash,
            description: definition.and_then(|definition| definition.description.as_deref()),
            path: expose.map(|expose| expose.path.as_str()),
            file: current.map(|source| source.file.display().to_string()),
            participants: participants.into_iter().flatten().collect(),
            versions: known.versions.iter().map(|version| VersionView::of(version, hash)).collect(),
        }
    }
}

impl<'a> VersionView<'a> {
    fn of(known: &'a KnownVersion, current: Option<&str>) -> Self {
        Self {
            version: &known.hash,
            current: current == Some(&known.hash),
            first_seen: known.first_seen,
            running: known.running,
            compensating: known.compensating,
            stuck: known.stuck,
            drained: known.is_drained(),
        }
    }
}
