//! Orchestrator and participants as real processes on a virtual host and a database.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{Binary, Process, binary, http, ports, wait};

/// From the start of the processes until the orchestrator is ready. A second alone; this allows for
/// a busy machine.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Above the drain deadline of the binaries: one that ends in order is not killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Where a system finds its servers and its definitions.
#[derive(Clone, Debug)]
pub struct SystemSettings {
    /// The broker and its virtual host, for all.
    pub amqp_url: String,
    /// The orchestrator's database.
    pub database_url: String,
    /// The participants' databases; each may be the orchestrator's, as each program keeps to its
    /// own schema.
    pub participants: [(&'static str, String); 3],
    /// The folder of the definitions.
    pub definitions: PathBuf,
    /// The port of 127.0.0.1 that the API is to listen on; any free one otherwise.
    pub port: Option<u16>,
    /// The folder of the logs.
    pub logs: PathBuf,
}

/// Orchestrator and participants. All are killed when it is dropped.
#[derive(Debug)]
pub struct System {
    /// Where the API is, such as `http://127.0.0.1:12345`.
    pub url: String,
    /// What it was started with.
    pub settings: SystemSettings,
    /// `saga serve`.
    pub orchestrator: Member,
    /// The participant `payment`.
    pub payment: Member,
    /// The participant `inventory`.
    pub inventory: Member,
    /// The participant `shipping`.
    pub shipping: Member,
    port: u16,
}

/// One process of a system, that can be killed and started again.
#[derive(Debug)]
pub struct Member {
    binary: Binary,
    process: Process,
}

impl SystemSettings {
    /// Everybody on one virtual host and one database, with the definitions that the product ships.
    #[must_use]
    pub fn new(amqp_url: &str, database_url: &str, logs: &Path) -> Self {
        Self {
            amqp_url: amqp_url.to_owned(),
            database_url: database_url.to_owned(),
            participants: ["payment", "inventory", "shipping"]
                .map(|name| (name, database_url.to_owned())),
            definitions: binary::workspace().join("saga-defs"),
            port: None,
            logs: logs.to_owned(),
        }
    }
}

impl System {
    /// Starts everything and waits until the orchestrator is ready.
    ///
    /// # Errors
    /// When a binary is not built, ends at once, or is not ready in time; with the end of its log.
    pub async fn start(settings: SystemSettings) -> Result<Self> {
        let port = settings.port.map_or_else(ports::free_port, Ok)?;
        let orchestrator = Binary::new("saga")
            .args(["serve", "--migrate"])
            .env("AMQP_URL", &settings.amqp_url)
            .env("DATABASE_URL", &settings.database_url)
            .env("SAGA_LISTEN", format!("127.0.0.1:{port}"))
            .env("SAGA_DEFS", &settings.definitions)
            .log_in(&settings.logs);
        let participant = |index: usize| {
            let (name, database_url): &(&str, String) = &settings.participants[index];
            let binary = Binary::new(name)
                .env("AMQP_URL", &settings.amqp_url)
                .env("DATABASE_URL", database_url)
                .log_in(&settings.logs);
            Member::start(binary)
        };
        let system = Self {
            url: format!("http://127.0.0.1:{port}"),
            orchestrator: Member::start(orchestrator)?,
            payment: participant(0)?,
            inventory: participant(1)?,
            shipping: participant(2)?,
            settings,
            port,
        };
        system.ready().await?;
        Ok(system)
    }

    /// Waits until the orchestrator answers `/readyz` with 200.
    ///
    /// # Errors
    /// When a process has ended, or the deadline passes.
    pub async fn ready(&self) -> Result<()> {
        let ready = wait::until("`saga serve` to be ready", READY_TIMEOUT, async || {
            if let Some(dead) = self.members().into_iter().find(|member| !member.is_alive()) {
                return Some(Err(dead));
            }
            (http::status(self.port, "/readyz").await == Some(200)).then_some(Ok(()))
        });
        match ready.await.with_context(|| self.orchestrator.process.log_tail())? {
            Ok(()) => Ok(()),
            Err(dead) => {
                bail!("`{}` has ended; it said:\n{}", dead.binary.name(), dead.process.log_tail())
            }
        }
    }

    /// All its processes.
    #[must_use]
    pub fn members(&self) -> [&Member; 4] {
        [&self.orchestrator, &self.payment, &self.inventory, &self.shipping]
    }

    /// Asks all to end in order, the orchestrator first, and waits for it.
    pub fn stop(&self) {
        for member in self.members() {
            member.process.end(crate::Signal::Term, STOP_TIMEOUT);
        }
    }
}

impl Member {
    /// Starts a process that can be started again.
    ///
    /// # Errors
    /// When it is not built.
    pub fn start(binary: Binary) -> Result<Self> {
        let process = binary.spawn()?;
        Ok(Self { binary, process })
    }

    /// The process of now.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Whether it runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process.exited().is_none()
    }

    /// Kills it as a power cut would.
    pub fn kill9(&self) {
        self.process.kill9();
    }

    /// Starts it again with the same settings, after killing what still runs. Does not wait until
    /// it is ready.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill9();
        self.process = self.binary.spawn()?;
        Ok(())
    }
}
