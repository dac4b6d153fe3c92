//! Running a program of somebody else's to its end, or to ours.

use std::{
    process::{Child, Command, ExitStatus},
    time::Duration,
};

use anyhow::{Context, Result};
use lab::{Signal, wait};

/// How long a program may take to end in order once we are told to end.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// Programs run as long as they like: a year stands for that.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A running program. When dropped it is asked to end, and then made to.
pub(crate) struct Running {
    child: Child,
    name: String,
    /// What signals go to: the process, or as a negative number the group that it leads.
    target: i64,
}

/// Which processes a signal reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The program: it stays in the terminal's foreground and may talk with the user.
    Process,
    /// The program and all it started: it becomes the leader of a group of its own.
    Group,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(mut command: Command, name: &str, reach: Reach) -> Result<Self> {
        use std::os::unix::process::CommandExt;
        if reach == Reach::Group {
            command.process_group(0);
        }
        let child = lab::spawn(command).with_context(|| format!("cannot run `{name}`"))?;
        let id = i64::from(child.id());
        let target = if reach == Reach::Group { -id } else { id };
        Ok(Self { child, name: name.to_owned(), target })
    }

    /// What signals go to.
    pub(crate) fn target(&self) -> i64 {
        self.target
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus> {
        let Self { child, name, .. } = self;
        wait::until(name, FOREVER, async || child.try_wait().transpose())
            .await?
            .context("cannot wait")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut ended = || matches!(self.child.try_wait(), Ok(Some(_)) | Err(_));
        if ended() {
            return;
        }
        // Each fails only for processes that are gone.
        Signal::Term.send(self.target).ok();
        wait::blocking(END_TIMEOUT, ended);
        Signal::Kill.send(self.target).ok();
        self.child.wait().ok();
    }
}
