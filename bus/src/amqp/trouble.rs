//! What ends a connection, and the deadline on every request to the broker.

use std::time::Duration;

use lapin::ErrorKind;

use super::limits::STEP_MAX;

/// The reply code for a queue or exchange that does not exist.
const NOT_FOUND: u16 = 404;

/// Why a connection cannot go on. There is one remedy: drop it and begin again.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// The broker, or the way to it, said so.
    #[error("{what}: {error}")]
    Broker { what: &'static str, error: lapin::Error },
    /// It said nothing in time.
    #[error("{what}: no answer within {limit:?}")]
    Late { what: &'static str, limit: Duration },
    /// We concluded it.
    #[error("{0}")]
    Seen(String),
}

impl Trouble {
    pub(super) fn is_not_found(&self) -> bool {
        let Self::Broker { error, .. } = self else { return false };
        matches!(error.kind(), ErrorKind::ProtocolError(e) if e.get_id() == NOT_FOUND)
    }
}

/// Waits for a request to the broker, for so long as one may take.
pub(super) async fn step<T>(
    what: &'static str,
    request: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Trouble> {
    within(STEP_MAX, what, request).await
}

/// The same with a deadline of its own.
pub(super) async fn within<T>(
    limit: Duration,
    what: &'static str,
    request: impl Future<Output = lapin::Result<T>>,
) -> Result<T, Trouble> {
    match tokio::time::timeout(limit, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Trouble::Broker { what, error }),
        Err(_) => Err(Trouble::Late { what, limit }),
    }
}
