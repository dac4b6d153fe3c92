//! Starting and signalling processes so that none outlives us.

use std::{
    io,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{LazyLock, mpsc},
    thread,
};

use anyhow::{Context, Result, ensure};

use crate::programs;

/// What a process can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// End in order.
    Term,
    /// End as at a terminal's Ctrl-C.
    Int,
    /// Postgres: end at once, but leave no shared memory behind.
    Quit,
    /// End now; cannot be caught.
    Kill,
    /// Read what was configured anew, where a process does that.
    Hup,
    /// Stand still; cannot be caught.
    Stop,
    /// Go on.
    Cont,
}

impl Signal {
    /// The name that `kill` takes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Kill => "KILL",
            Self::Hup => "HUP",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
        }
    }

    /// Sends it to a process, or with a negative number to a whole process group.
    ///
    /// # Errors
    /// When there is no such process, or it is not ours to signal.
    pub fn send(self, pid: i64) -> Result<()> {
        // The shell's own `kill`: there is one on every system, and no unsafe code is needed to
        // call it.
        let status = Command::new("/bin/sh")
            .args(["-c", "kill -s \"$0\" -- \"$1\"", self.name(), &pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .context("cannot run `/bin/sh`")?;
        ensure!(status.success(), "cannot send {} to process {pid}: it is gone", self.name());
        Ok(())
    }
}

/// A command that the kernel ends with `signal` when we die, however we die. Where `setpriv` is
/// missing it is the plain command.
#[must_use]
pub fn bound_to_us(program: &Path, signal: Signal, user: Option<&str>) -> Command {
    let Some(setpriv) = programs::in_path("setpriv") else {
        return Command::new(program);
    };
    let mut command = Command::new(setpriv);
    command.args(["--pdeathsig", signal.name()]);
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--init-groups"]);
    }
    command.arg("--").arg(program);
    command
}

/// Starts a process from a thread that lives as long as we do: the kernel takes the end of the
/// *thread* that started a process for its parent's death, and the threads of a test or of a pool
/// end early.
///
/// # Errors
/// When it cannot be started.
pub fn spawn(command: Command) -> io::Result<Child> {
    static SPAWNER: LazyLock<mpsc::Sender<Job>> = LazyLock::new(|| {
        let (jobs, inbox) = mpsc::channel::<Job>();
        thread::spawn(move || {
            for mut job in inbox {
                // Whoever asked may have been dropped meanwhile; then the child is ended at once.
                if let Err(mpsc::SendError(Ok(mut orphan))) = job.answer.send(job.command.spawn()) {
                    orphan.kill().ok();
                    orphan.wait().ok();
                }
            }
        });
        jobs
    });
    let (answer, answered) = mpsc::channel();
    SPAWNER.send(Job { command, answer }).map_err(io::Error::other)?;
    answered.recv().map_err(io::Error::other)?
}

/// One process to start.
struct Job {
    command: Command,
    answer: mpsc::Sender<io::Result<Child>>,
}
