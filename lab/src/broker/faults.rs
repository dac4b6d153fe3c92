//! What can go wrong with a broker of one's own besides its death.

use anyhow::{Context, Result};

use super::{Broker, answers};
use crate::{Queues, wait};

/// Who everybody is there.
const USER: &str = "guest";
/// Far below what any broker uses, so that the alarm is raised.
const MEMORY_NONE: &str = "0.0000001";
/// More than a broker of a test ever uses of any machine's memory.
const MEMORY_USUAL: &str = "0.6";
/// Far above what any disk has free, so that the alarm is raised.
const DISK_NONE: &str = "1000000GB";
/// No disk has less free, so that the alarm stays off.
const DISK_NOTHING: &str = "0";
/// RabbitMQ's own default.
const DISK_USUAL: &str = "50MB";

impl Broker {
    /// The queues of a virtual host, to break them.
    #[must_use]
    pub fn queues(&self, vhost: &str) -> Queues {
        Queues::new(self.ctl_program(), vhost)
    }

    /// Makes it stand still with all its connections open, as a stalled machine does.
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

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn ready(&self) -> Result<()> {
        let ready = async || answers(self.port()).await.then_some(());
        wait::until("RabbitMQ to answer", super::START_TIMEOUT, ready).await
    }

    /// Raises the alarm that memory is short, or calls it off. It blocks whoever publishes.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn memory_alarm(&self, raised: bool) -> Result<()> {
        let watermark = if raised { MEMORY_NONE } else { MEMORY_USUAL };
        self.ctl(&["set_vm_memory_high_watermark", watermark]).await.map(|_| ())
    }

    /// Raises the alarm that the disk is full, or calls it off. It blocks whoever publishes.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn disk_alarm(&self, raised: bool) -> Result<()> {
        let limit = if raised { DISK_NONE } else { DISK_USUAL };
        self.ctl(&["set_disk_free_limit", limit]).await.map(|_| ())
    }

    /// Fills the small disk to the last byte. The alarm that guards it is called off: it would stop
    /// whoever publishes before it comes to that.
    ///
    /// # Errors
    /// When it has no disk of its own: see [`Self::start_on_small_disk`].
    pub async fn fill_disk(&self) -> Result<()> {
        let disk = self.setup.disk.as_ref().context("this RabbitMQ has no small disk")?;
        self.ctl(&["set_disk_free_limit", DISK_NOTHING]).await?;
        disk.fill()
    }

    /// Gives back what [`Self::fill_disk`] took.
    ///
    /// # Errors
    /// When it has no disk of its own.
    pub fn free_disk(&self) -> Result<()> {
        self.setup.disk.as_ref().context("this RabbitMQ has no small disk")?.free()
    }

    /// Lets its user have so many connections, or channels, and no more: `max-connections` or
    /// `max-channels`.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn limit_user(&self, what: &str, most: u32) -> Result<()> {
        let limits = format!("{{\"{what}\": {most}}}");
        self.ctl(&["set_user_limits", USER, &limits]).await.map(|_| ())
    }

    /// Takes all limits from its user.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn unlimit_user(&self) -> Result<()> {
        self.ctl(&["clear_user_limits", USER, "all"]).await.map(|_| ())
    }

    /// Whether an alarm is raised.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn is_alarmed(&self) -> Result<bool> {
        Ok(self.ctl(&["eval", "rabbit_alarm:get_alarms() =/= []."]).await?.trim() == "true")
    }

    /// As after its start, whatever was done to it, with the virtual hosts that were made.
    ///
    /// # Errors
    /// When it cannot be brought there.
    pub async fn heal(&mut self) -> Result<()> {
        if self.process.exited().is_some() {
            return self.restart().await;
        }
        // A restart calls the alarms off too: they are no part of what it keeps.
        self.cont()?;
        self.ready().await?;
        self.unlimit_user().await?;
        if self.is_alarmed().await? {
            self.memory_alarm(false).await?;
            self.disk_alarm(false).await?;
        }
        Ok(())
    }
}
