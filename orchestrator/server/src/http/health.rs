//! Whether the process lives, and whether it can do its work.

use axum::extract::State;
use serde::Serialize;
use serde_json::json;

use super::{
    App,
    error::{Code, Problem},
    view::Document,
};

/// How it is.
#[derive(Serialize)]
struct Health {
    status: &'static str,
    /// Why the definitions' files as they are now are not served. What was served before still is,
    /// so this is no reason to send requests elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    reload_error: Option<String>,
}

/// `GET /healthz`: the process lives. Asks nobody, so that a database that is away does not get a
/// process killed that waits for it.
pub(super) async fn live() -> Document {
    Document::of(&Health { status: "alive", reload_error: None })
}

/// `GET /readyz`: database and broker can be used.
pub(super) async fn ready(State(app): State<App>) -> Result<Document, Problem> {
    let health = app.engine.health().await;
    if health.is_ready() {
        let reload_error = app.engine.definitions().reload_error().map(|why| why.to_string());
        return Ok(Document::of(&Health { status: "ready", reload_error }));
    }
    let word = |state: &Result<(), String>| state.clone().err().unwrap_or_else(|| "ok".to_owned());
    let detail = "sagas cannot be started or moved until both database and broker are there";
    let (database, broker) = (word(&health.database), word(&health.broker));
    let checks = json!({ "database": database, "broker": broker });
    Err(Problem::new(Code::NotReady, detail).with("checks", checks))
}
