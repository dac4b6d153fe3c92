//! What is counted, for Prometheus.

use axum::{
    extract::State,
    http::header::{CONTENT_TYPE, HeaderName},
};

use super::App;

/// The format that the engine writes.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// `GET /metrics`: everything that is counted. Asks nobody, so that it answers while database and
/// broker are away, which is when it is read.
pub(super) async fn show(State(app): State<App>) -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, OPENMETRICS)], app.engine.metrics())
}
