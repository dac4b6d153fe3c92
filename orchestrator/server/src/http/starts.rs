//! Starting sagas, and finding them again by their business key.

use std::sync::Arc;

use axum::{
    Extension,
    extract::State,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use saga_core::{Definition, definition::Violation};
use saga_protocol::limits;
use serde_json::{Value, json};
use tracing::Span;

use super::{
    App,
    error::{Code, Problem},
    extract::{IdempotencyKey, JsonBody, NamePath, PreferWait},
    sagas::{detached, link, saga},
    view::Document,
};
use saga_engine::{Snapshot, StartError, StartRequest, Started};

const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// What a saga is told to start with, beside its definition.
pub(super) struct Wanted {
    key: IdempotencyKey,
    wait: PreferWait,
    input: JsonBody,
}

/// `POST /v1/definitions/{name}/sagas`.
pub(super) async fn start(
    State(app): State<App>,
    NamePath(name): NamePath,
    key: IdempotencyKey,
    wait: PreferWait,
    input: JsonBody,
) -> Result<Response, Problem> {
    let definition = app.engine.definitions().current(&name);
    let definition = definition.ok_or_else(|| unknown_definition(&app, &name))?;
    Wanted { key, wait, input }.start(&app, definition).await
}

/// `POST` to the path that a definition exposes.
pub(super) async fn start_exposed(
    State(app): State<App>,
    Extension(definition): Extension<Arc<Definition>>,
    key: IdempotencyKey,
    wait: PreferWait,
    input: JsonBody,
) -> Result<Response, Problem> {
    Wanted { key, wait, input }.start(&app, definition).await
}

/// `GET` of a business key below the path that a definition exposes: the newest saga with it.
pub(super) async fn find_exposed(
    State(app): State<App>,
    Extension(definition): Extension<Arc<Definition>>,
    NamePath(key): NamePath,
) -> Result<Document, Problem> {
    let name = definition.name.as_str();
    let not_found = || {
        let shown: String = key.chars().take(limits::KEY_BYTES_MAX).collect();
        Problem::new(Code::SagaNotFound, format!("there is no `{name}` with key `{shown}`"))
    };
    if key.len() > limits::KEY_BYTES_MAX || key.contains('\0') {
        return Err(not_found());
    }
    let (wanted, of) = (key.clone(), definition.name.clone());
    let found = detached(async move { app.engine.find(of.as_str(), &wanted).await }).await??;
    let snapshot = found.ok_or_else(not_found)?;
    Ok(saga(&snapshot))
}

impl Wanted {
    /// Starts it, or finds the saga that the same request started before, and waits for the end as
    /// long as the client prefers.
    async fn start(self, app: &App, definition: Arc<Definition>) -> Result<Response, Problem> {
        let Self { key: IdempotencyKey(idempotency_key), wait, input: JsonBody(input) } = self;
        let request = StartRequest { definition, idempotency_key, input };
        let (snapshot, replayed) = match app.engine.start(request).await? {
            Started::Created(snapshot) => (snapshot, false),
            Started::Existing(snapshot) => (snapshot, true),
            Started::OtherRequest(snapshot) => return Err(key_reused(&snapshot)),
            Started::KeyInUse(snapshot) => return Err(key_in_use(&snapshot)),
        };
        Span::current().record("saga.id", tracing::field::display(snapshot.row.id));
        let snapshot = app.wait(snapshot, wait).await;
        Ok(started(&snapshot, replayed, wait))
    }
}

fn started(snapshot: &Snapshot, replayed: bool, wait: PreferWait) -> Response {
    let ended = snapshot.is_ended();
    let status = if ended { StatusCode::CREATED } else { StatusCode::ACCEPTED };
    let location = [(header::LOCATION, link(snapshot.row.id))];
    let mut response = (status, location, saga(snapshot)).into_response();
    let headers = response.headers_mut();
    if replayed {
        headers.insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    if let Some(applied) = wait.applied() {
        headers.insert(PREFERENCE_APPLIED, applied);
    }
    response
}

/// There is no such definition here.
pub(super) fn unknown_definition(app: &App, name: &str) -> Problem {
    let served = app.engine.definitions().served();
    let known: Vec<_> = served.all().map(|known| known.name.as_str()).collect();
    let shown: String = name.chars().take(limits::KEY_BYTES_MAX).collect();
    Problem::new(Code::UnknownDefinition, format!("there is no definition `{shown}`"))
        .hint(format!("this orchestrator knows `{}`", known.join("`, `")))
}

fn key_reused(snapshot: &Snapshot) -> Problem {
    let link = link(snapshot.row.id);
    let detail = format!("the key started `{link}`, and with another input");
    Problem::new(Code::KeyReused, detail)
        .with("saga", link)
        .hint("repeat the same input, or use a key of its own for another")
}

fn key_in_use(snapshot: &Snapshot) -> Problem {
    let link = link(snapshot.row.id);
    let key = snapshot.row.key.as_deref().unwrap_or_default();
    let detail = format!("the key `{key}` belongs to `{link}`, which has another input");
    Problem::new(Code::KeyInUse, detail)
        .with("saga", link)
        .with("saga_status", snapshot.row.status.as_str())
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Input(violations) => {
                let detail = "it breaks the schema that the definition has for it";
                let errors: Vec<_> = violations.into_iter().map(violation).collect();
                Self::new(Code::InputInvalid, detail).with("errors", errors)
            }
            StartError::Expression(detail) => Self::new(Code::InputInvalid, detail),
            StartError::Overloaded(overloaded) => {
                let participant = overloaded.participant.to_string();
                Self::new(Code::Overloaded, overloaded.to_string())
                    .with("participant", participant)
                    .hint("nothing was started: try again later, with the same key")
            }
            StartError::Unavailable(error) => error.into(),
        }
    }
}

fn violation(violation: Violation) -> Value {
    let Violation { pointer, message } = violation;
    json!({ "pointer": pointer, "detail": message })
}
