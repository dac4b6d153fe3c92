//! The HTTP edge: reads requests, asks the engine, shows its answers. Decides nothing. In reading
//! order: the routes (this file), how they follow the definitions (`front`) and how connections are
//! served (`listen`, `impatient`); handlers (`starts`, `sagas`, `definitions`, `health`,
//! `metrics`); what they read (`extract`, `query`, `json`) and show (`view`, `error`); what
//! surrounds them (`observe`, `linger`).

mod definitions;
mod error;
mod extract;
mod front;
mod health;
mod impatient;
mod letters;
mod linger;
mod listen;
mod metrics;
mod observe;
mod query;
mod sagas;
mod starts;
#[cfg(test)]
mod tests;
mod timers;
mod verbs;
mod view;

use std::sync::Arc;

use axum::{
    Extension, Router,
    http::{Method, Uri},
    middleware,
    routing::{get, post},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use self::{
    error::{Code, Problem},
    extract::PreferWait,
};
use saga_engine::{Engine, Snapshot, definitions::Served};

/// What handlers have.
#[derive(Clone)]
struct App {
    engine: Engine,
    /// Who waits for the end of a saga is answered when this is cancelled.
    stop: CancellationToken,
}

/// Serves the API until `stop` is cancelled, then lets requests in flight end, with a deadline.
///
/// # Errors
/// When no connection can be accepted any more.
pub(crate) async fn serve(
    listener: TcpListener,
    engine: Engine,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let app = App { engine, stop: stop.clone() };
    listen::serve(listener, front::front(app), stop).await
}

/// Every route there is with these definitions.
fn routes(app: App, served: &Served) -> Router {
    let mut routes = Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::show))
        .route("/v1/definitions", get(definitions::list))
        .route("/v1/definitions/{name}", get(definitions::show))
        .route("/v1/definitions/{name}/sagas", post(starts::start))
        .route("/v1/sagas", get(sagas::list))
        .route("/v1/sagas/{id}", get(sagas::show))
        .route("/v1/sagas/{id}/journal", get(sagas::journal))
        .route("/v1/timers", get(timers::list))
        .merge(verbs::routes())
        .merge(letters::routes());
    for definition in served.all() {
        let Some(expose) = &definition.expose else { continue };
        let definition = Extension(Arc::clone(definition));
        let by_key = format!("{}/{{key}}", expose.path);
        routes = routes
            .route(&expose.path, post(starts::start_exposed).layer(definition.clone()))
            .route(&by_key, get(starts::find_exposed).layer(definition));
    }
    routes
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(middleware::from_fn(linger::linger))
        .layer(middleware::from_fn(observe::observe))
        .with_state(app)
}

async fn not_found(uri: Uri) -> Problem {
    let shown: String = uri.path().chars().take(saga_protocol::limits::KEY_BYTES_MAX).collect();
    Problem::new(Code::NotFound, format!("there is nothing at `{shown}`"))
}

async fn method_not_allowed(method: Method) -> Problem {
    let detail = format!("it has no `{method}`; `Allow` names those that it has");
    Problem::new(Code::MethodNotAllowed, detail)
}

impl App {
    /// The saga once it has ended, or as it is when the client's patience or the process ends.
    async fn wait(&self, snapshot: Snapshot, PreferWait(max): PreferWait) -> Snapshot {
        let Some(max) = max.filter(|_| !snapshot.is_ended()) else { return snapshot };
        tokio::select! {
            biased;
            newest = self.engine.wait(snapshot.clone(), max) => newest,
            () = self.stop.cancelled() => snapshot,
        }
    }
}
