//! One process of a system: it can be killed, stopped, told to end, and started again with other
//! settings.

use std::{fmt, mem, time::Duration};

use anyhow::{Context, Result, ensure};

use crate::{Binary, Process, http, process::End, wait};

/// From the start of a process until it is ready. A second alone; this allows for a busy machine.
pub(crate) const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// Which process of a system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// `saga serve`, counted from 0.
    Orchestrator(usize),
    /// A replica of the participant of this name, counted from 0.
    Participant(&'static str, usize),
}

impl Who {
    /// The name of its binary.
    #[must_use]
    pub fn binary(self) -> &'static str {
        match self {
            Self::Orchestrator(_) => "saga",
            Self::Participant(name, _) => name,
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Orchestrator(number) | Self::Participant(_, number) => {
                write!(f, "{} {number}", self.binary())
            }
        }
    }
}

/// One process of a system, that can be killed and started again.
#[derive(Debug)]
pub struct Member {
    binary: Binary,
    process: Process,
    /// The port of its API, where it has one.
    port: Option<u16>,
}

impl Member {
    /// Starts a process that can be started again.
    ///
    /// # Errors
    /// When it is not built.
    pub fn start(binary: Binary) -> Result<Self> {
        let process = binary.spawn()?;
        Ok(Self { binary, process, port: None })
    }

    /// The same for one that listens on this port of 127.0.0.1.
    ///
    /// # Errors
    /// When it is not built.
    pub fn start_at(binary: Binary, port: u16) -> Result<Self> {
        Ok(Self { port: Some(port), ..Self::start(binary)? })
    }

    /// The name of its binary.
    #[must_use]
    pub fn name(&self) -> &str {
        self.binary.name()
    }

    /// Where its API is, such as `http://127.0.0.1:12345`; empty where it has none.
    #[must_use]
    pub fn url(&self) -> String {
        self.port.map(|port| format!("http://127.0.0.1:{port}")).unwrap_or_default()
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

    /// How it ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<End> {
        self.process.end_of()
    }

    /// Waits for its end, and answers how it was.
    ///
    /// # Errors
    /// When it does not end in time; with the end of its log.
    pub async fn end(&self, deadline: Duration) -> Result<End> {
        let what = format!("the end of `{}`", self.name());
        let ended = wait::until(&what, deadline, async || self.ended()).await;
        ended.with_context(|| self.process.log_tail())
    }

    /// Waits until it stands still, as it does when it was told to stop itself.
    ///
    /// # Errors
    /// When it does not in time; with the end of its log.
    pub async fn stopped(&self, deadline: Duration) -> Result<()> {
        let what = format!("`{}` to stand still", self.name());
        let stopped = async || self.process.is_stopped().then_some(());
        wait::until(&what, deadline, stopped).await.with_context(|| self.process.log_tail())
    }

    /// Waits until it answers `/readyz` with 200; a process without an API is ready when it runs.
    ///
    /// # Errors
    /// When it has ended, or is not ready in time; with the end of its log.
    pub async fn ready(&self) -> Result<()> {
        let what = format!("`{}` to be ready", self.name());
        let ready = wait::until(&what, READY_TIMEOUT, async || {
            let is_alive = self.is_alive();
            (!is_alive || self.is_ready().await).then_some(is_alive)
        });
        let is_alive = ready.await.with_context(|| self.process.log_tail())?;
        ensure!(is_alive, "`{}` has ended; it said:\n{}", self.name(), self.process.log_tail());
        Ok(())
    }

    /// Whether it answers `/readyz` with 200.
    pub async fn is_ready(&self) -> bool {
        match self.port {
            Some(port) => http::status(port, "/readyz").await == Some(200),
            None => self.is_alive(),
        }
    }

    /// Kills it as a power cut would, and returns when it is gone.
    pub fn kill9(&self) {
        self.process.kill9();
    }

    /// Makes it stand still, as a stalled machine does.
    ///
    /// # Errors
    /// When it has ended.
    pub fn stop(&self) -> Result<()> {
        self.process.stop()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cont(&self) -> Result<()> {
        self.process.cont()
    }

    /// Asks it to end in order.
    ///
    /// # Errors
    /// When it has ended.
    pub fn term(&self) -> Result<()> {
        self.process.term()
    }

    /// Sets a variable for its next start, or removes it.
    pub fn set_env(&mut self, name: &str, value: Option<&str>) {
        let binary = mem::replace(&mut self.binary, Binary::new("")).without_env(name);
        self.binary = match value {
            Some(value) => binary.env(name, value),
            None => binary,
        };
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
