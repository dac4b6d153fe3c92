//! What can go wrong with a Postgres of one's own besides its death.

use std::fs;

use anyhow::{Context, Result, bail, ensure};

use super::{DatabaseServer, START_TIMEOUT, STOP_TIMEOUT, answers};
use crate::{Signal, process::is_stopped, wait};

/// How a server is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Sessions are cut off and their transactions rolled back.
    Fast,
    /// Like a crash: it recovers at its next start.
    Immediate,
}

impl DatabaseServer {
    /// Makes all its processes stand still with all connections open, as a stalled machine does.
    ///
    /// # Errors
    /// When it has ended.
    pub fn stop(&self) -> Result<()> {
        // The postmaster first: then no more of them come.
        self.process.stop()?;
        for child in self.children() {
            // A child may end meanwhile.
            Signal::Stop.send(child).ok();
        }
        Ok(())
    }

    /// Lets all its processes go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cont(&self) -> Result<()> {
        for child in self.children() {
            Signal::Cont.send(child).ok();
        }
        self.process.cont()
    }

    /// The same for a server that is to be ended: whoever stands still does not end.
    pub(super) fn go_on(&self) {
        if is_stopped(self.pid()) {
            // It has ended if this fails.
            self.cont().ok();
        }
    }

    /// Waits until it takes connections.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn ready(&self) -> Result<()> {
        let ready = async || answers(self.port()).await.then_some(());
        wait::until("Postgres to take connections", START_TIMEOUT, ready).await
    }

    /// Asks it to end, and waits for it. [`Self::restart`] starts it again.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn shut_down(&self, how: Shutdown) -> Result<()> {
        let signal = match how {
            Shutdown::Fast => Signal::Int,
            Shutdown::Immediate => Signal::Quit,
        };
        self.process.signal(signal)?;
        self.process.wait(STOP_TIMEOUT).await?;
        self.folder.release(i64::from(self.pid()));
        Ok(())
    }

    /// Ends all sessions of clients, and answers how many there were.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn terminate_sessions(&self) -> Result<u32> {
        let ended = "select count(pg_terminate_backend(pid)) from pg_stat_activity
            where backend_type = 'client backend' and pid <> pg_backend_pid()";
        let count = self.admin(ended).await?;
        count.parse().with_context(|| format!("`{count}` is no number"))
    }

    /// Kills the process of one session as the kernel does when memory is short. The postmaster
    /// then cuts all sessions off and recovers.
    ///
    /// # Errors
    /// When nobody has a session.
    pub async fn kill_session(&self) -> Result<()> {
        let any = "select pid from pg_stat_activity
            where backend_type = 'client backend' and pid <> pg_backend_pid() limit 1";
        let pid = self.admin(any).await?;
        if pid.is_empty() {
            bail!("nobody has a session with this Postgres");
        }
        Signal::Kill.send(pid.parse().with_context(|| format!("`{pid}` is no process"))?)
    }

    /// Lets transactions only read, as a standby or a server in maintenance does, or write again.
    /// It holds for sessions that are open, too, from their next transaction on.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn read_only(&self, only: bool) -> Result<()> {
        let value = if only { "on" } else { "off" };
        self.admin(&format!("alter system set default_transaction_read_only = {value}")).await?;
        self.admin("select pg_reload_conf()").await?;
        let is_so = async || (self.is_read_only().await.ok()? == only).then_some(());
        wait::until("Postgres to take a setting over", STOP_TIMEOUT, is_so).await
    }

    /// Whether transactions only read.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn is_read_only(&self) -> Result<bool> {
        Ok(self.admin("show default_transaction_read_only").await? == "on")
    }

    /// Ends it in order and starts it again as a standby: it follows a primary, which here is not
    /// there, and takes no writes until [`Self::promote`].
    ///
    /// # Errors
    /// When it does not start.
    pub async fn stand_by(&mut self) -> Result<()> {
        self.shut_down(Shutdown::Fast).await?;
        fs::write(self.setup.data().join("standby.signal"), "")
            .context("cannot make a standby of Postgres")?;
        self.restart().await
    }

    /// Makes a primary of a standby, as a failover does.
    ///
    /// # Errors
    /// When it does not become one.
    pub async fn promote(&self) -> Result<()> {
        let promoted = self.admin("select pg_promote()").await?;
        ensure!(promoted == "t", "it is not promoted");
        Ok(())
    }

    /// Lets its clock be off from the machine's by so many seconds from now on; ahead, or behind
    /// where they are negative.
    ///
    /// # Errors
    /// When it has no clock of its own: see [`Self::start_with_own_clock`].
    pub fn turn_clock(&self, seconds: i64) -> Result<()> {
        self.setup.clock.as_ref().context("this Postgres has no clock of its own")?.turn(seconds)
    }

    /// Fills the small disk to the last byte.
    ///
    /// # Errors
    /// When it has no disk of its own: see [`Self::start_on_small_disk`].
    pub fn fill_disk(&self) -> Result<()> {
        self.setup.disk.as_ref().context("this Postgres has no small disk")?.fill()
    }

    /// Gives back what [`Self::fill_disk`] took.
    ///
    /// # Errors
    /// When it has no disk of its own.
    pub fn free_disk(&self) -> Result<()> {
        self.setup.disk.as_ref().context("this Postgres has no small disk")?.free()
    }

    /// As after its start, whatever was done to it, with the databases that were made.
    ///
    /// # Errors
    /// When it cannot be brought there.
    pub async fn heal(&mut self) -> Result<()> {
        if self.setup.disk.is_some() {
            self.free_disk()?;
        }
        if self.process.exited().is_some() {
            self.restart().await?;
        }
        self.cont()?;
        self.ready().await?;
        if self.admin("select pg_is_in_recovery()").await? == "t" {
            self.promote().await?;
        }
        if self.is_read_only().await? {
            self.read_only(false).await?;
        }
        Ok(())
    }

    /// The processes that the postmaster started.
    fn children(&self) -> Vec<i64> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let parent = self.pid().to_string();
        let is_child = |stat: &str| {
            // After the name, which is in brackets, come the state and the parent.
            let (_, rest) = stat.rsplit_once(") ").unwrap_or_default();
            rest.split(' ').nth(1) == Some(parent.as_str())
        };
        let children = entries.filter(|entry| {
            fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| is_child(&stat))
        });
        children.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }
}
