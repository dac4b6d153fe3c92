//! The two requests to end: the first in order, the second at once.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Told once per request. SIGTERM and SIGINT both count.
#[derive(Clone)]
pub struct Shutdown {
    /// End in order: what has begun is finished.
    pub drain: CancellationToken,
    /// End at once.
    pub now: CancellationToken,
}

impl Shutdown {
    /// Listens to signals from now on.
    pub fn listen() -> anyhow::Result<Self> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen to SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen to SIGINT")?;
        let shutdown = Self { drain: CancellationToken::new(), now: CancellationToken::new() };
        let told = shutdown.clone();
        tokio::spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            tracing::info!("ending: finishing what has begun; once more ends at once");
            told.drain.cancel();
            either(&mut terminate, &mut interrupt).await;
            tracing::warn!("ending at once");
            told.now.cancel();
        });
        Ok(shutdown)
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
