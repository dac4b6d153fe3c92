//! The life of a participant as a process of its own.

use std::sync::Arc;

use anyhow::Context;
use saga_bus::{Amqp, Bus, Health, Options, Role};
use saga_runtime::Shutdown;

use crate::{Participant, Service, Settings, database::Use, desk::serve, logs};

/// Runs a participant until it is told to end.
pub(crate) async fn run(participant: Participant, settings: Settings) -> anyhow::Result<()> {
    logs::start(&settings);
    // TLS takes one provider for the process. Whoever comes first wins; all our binaries want the
    // same.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let shutdown = Shutdown::listen()?;
    let name = participant.name.clone();
    tracing::info!(participant.name = %name, "starting");
    let wanted = Use { connections: settings.concurrency, allow_unsafe: settings.allow_unsafe_db };
    let connecting = Service::connect(participant, &settings.database_url, wanted);
    let service = tokio::select! {
        biased;
        () = shutdown.drain.cancelled() => return Ok(()),
        service = connecting => service?,
    };
    let options = Options {
        url: settings.amqp_url,
        role: Role::Participant(name.clone()),
        name: name.to_string(),
    };
    let bus: Arc<dyn Bus> = Arc::new(Amqp::start(options).context("`AMQP_URL` is not valid")?);
    tokio::select! {
        biased;
        () = shutdown.drain.cancelled() => {}
        () = connected(bus.as_ref()) => {
            serve(&bus, Arc::new(service), settings.concurrency, &shutdown).await;
        }
    }
    tokio::select! {
        biased;
        () = shutdown.now.cancelled() => {}
        () = bus.close() => tracing::info!(participant.name = %name, "ended"),
    }
    Ok(())
}

/// Waits for the broker. Later outages are the bus's business.
async fn connected(bus: &dyn Bus) {
    let mut health = bus.health();
    loop {
        match &*health.borrow_and_update() {
            Health::Up { .. } => return,
            Health::Blocked { reason } | Health::Down { reason } => {
                tracing::info!(reason, "waiting for the broker");
            }
        }
        // The bus is gone when nobody can tell any more; then the subscription ends at once.
        if health.changed().await.is_err() {
            return;
        }
    }
}
