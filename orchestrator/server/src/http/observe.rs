//! What surrounds every request: its id, its span, and its line in the log. Payloads are in none.

use std::{any::Any, time::Instant};

use axum::{
    extract::{MatchedPath, Request},
    http::{HeaderName, HeaderValue, StatusCode},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tracing::{Instrument, field};
use uuid::Uuid;

use super::error::{Cause, Problem};

/// The longest id of a request that is taken from a client, in bytes: a UUID or a trace's id fits.
const REQUEST_ID_BYTES_MAX: usize = 64;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What stands for the path of a request that no route has: a path may hold anything.
const NO_ROUTE: &str = "-";

/// Gives a request its id and its span, and logs how it was answered, once.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let route = request.extensions().get::<MatchedPath>().map_or(NO_ROUTE, MatchedPath::as_str);
    let span = tracing::info_span!(
        "request",
        request.id = id.to_str().unwrap_or_default(),
        http.method = %request.method(),
        http.route = route,
        saga.id = field::Empty,
    );
    let begun = Instant::now();
    async {
        let mut response = next.run(request).await;
        tell(&response, begun);
        response.headers_mut().insert(REQUEST_ID, id);
        response
    }
    .instrument(span)
    .await
}

/// The answer to a request whose handler panicked.
#[expect(clippy::needless_pass_by_value, reason = "the layer gives the panic away")]
pub(super) fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    Problem::internal(format!("panic: {}", text.unwrap_or("no text"))).into_response()
}

fn request_id(request: &Request) -> HeaderValue {
    let is_fit = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        (1..=REQUEST_ID_BYTES_MAX).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    };
    request.headers().get(REQUEST_ID).filter(is_fit).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::now_v7().to_string()).expect("a UUID is visible ASCII")
    })
}

fn tell(response: &Response, begun: Instant) {
    let status = response.status().as_u16();
    let cause = response.extensions().get::<Cause>().map(field::display);
    let elapsed_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    match response.status() {
        StatusCode::SERVICE_UNAVAILABLE => {
            tracing::warn!(http.status = status, elapsed_ms, cause, "request put off");
        }
        answer if answer.is_server_error() => {
            tracing::error!(http.status = status, elapsed_ms, cause, "request failed");
        }
        _ => tracing::debug!(http.status = status, elapsed_ms, cause, "request answered"),
    }
}
