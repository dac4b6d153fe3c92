//! Lets a client finish what it sends before it is refused. A connection that is closed while there
//! is more to read is reset, and the client may lose the answer that says why.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::header,
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt;
use hyper::body::{Frame, SizeHint};
use saga_protocol::limits;
use tokio::time::timeout;

/// How much of a body is read and thrown away: who is so far over the limit is cut off.
const DISCARDED_BYTES_MAX: usize = 8 * limits::BODY_BYTES_MAX;
/// How long that may take.
const DISCARDING_MAX: Duration = Duration::from_secs(2);

/// Throws away what a handler left of the body, then answers.
pub(super) async fn linger(request: Request, next: Next) -> Response {
    // Whoever asks before they send has sent nothing, and reading would tell them to.
    if request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let home = Arc::new(Mutex::new(None));
    let lent = request.map(|body| Body::new(Lent { body, home: Arc::clone(&home) }));
    let response = next.run(lent).await;
    let left = home.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(left) = left {
        // Whatever comes of it, the answer is the same.
        let _ = timeout(DISCARDING_MAX, discard(left)).await;
    }
    response
}

async fn discard(mut body: Body) {
    let mut discarded = 0;
    while discarded < DISCARDED_BYTES_MAX && !body.is_end_stream() {
        let Some(Ok(frame)) = body.frame().await else { return };
        discarded += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// A body that goes back home when it is dropped.
struct Lent {
    body: Body,
    home: Arc<Mutex<Option<Body>>>,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let body = std::mem::take(&mut self.body);
        *self.home.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::{Router, http::StatusCode, middleware};
    use futures_util::{StreamExt, stream};
    use tower::ServiceExt;

    use super::*;

    /// How many pieces of a body are read of which the handler reads none.
    async fn read(pieces: usize, expect: Option<&str>) -> usize {
        let refuse = Router::new()
            .fallback(|| async { StatusCode::NOT_FOUND })
            .layer(middleware::from_fn(linger));
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let body = stream::iter(0..pieces).map(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from_static(&[0; 65_536]))
        });
        let mut request = Request::post("/").body(Body::from_stream(body)).unwrap();
        if let Some(expect) = expect {
            request.headers_mut().insert(header::EXPECT, expect.parse().unwrap());
        }
        let response = refuse.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        taken.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn what_a_handler_leaves_is_read_within_bounds() {
        assert_eq!(read(20, None).await, 20);
        assert_eq!(read(100_000, None).await, DISCARDED_BYTES_MAX / 65_536);
        assert_eq!(read(20, Some("100-continue")).await, 0);
    }
}
