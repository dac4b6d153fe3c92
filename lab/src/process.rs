//! One running process: its id, its log, and the ways to end it.

use std::{
    fmt,
    fs::{self, File},
    io::{Read, Seek, SeekFrom, Write},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    spawn::{self, Signal},
    wait,
};

/// How much of a log's end is shown when something went wrong.
const TAIL_BYTES: u64 = 4 * 1024;

/// A process of ours. Killed when dropped; a test that fails shows the end of its log.
pub struct Process {
    name: String,
    pid: u32,
    child: Mutex<Child>,
    log: PathBuf,
}

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit status; 0 says that all went well.
    Exit(i32),
    /// By a signal of this number, such as 9 for SIGKILL.
    Killed(i32),
}

impl End {
    /// Killed as a power cut would, by itself or by somebody else.
    pub const KILL9: Self = Self::Killed(9);
    /// Ended in order.
    pub const ORDER: Self = Self::Exit(0);

    fn of(status: ExitStatus) -> Self {
        // Without a signal there is a code.
        status.signal().map_or_else(|| Self::Exit(status.code().unwrap_or(-1)), Self::Killed)
    }
}

impl Process {
    /// Starts it, with no input and with everything it says in `log`.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write `{}`", log.display()))?;
        let same = file.try_clone().context("cannot share a log file")?;
        command.stdin(Stdio::null()).stdout(file).stderr(same);
        let child = spawn::spawn(command).with_context(|| format!("cannot start `{name}`"))?;
        let pid = child.id();
        Ok(Self { name: name.to_owned(), pid, child: Mutex::new(child), log: log.to_owned() })
    }

    /// Its id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file with everything it said.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The end of what it said, for a message.
    #[must_use]
    pub fn log_tail(&self) -> String {
        tail(&self.log).unwrap_or_else(|error| format!("(its log cannot be read: {error})"))
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn exited(&self) -> Option<ExitStatus> {
        self.child().try_wait().ok().flatten()
    }

    /// How it ended, if it has: by itself or by which signal.
    #[must_use]
    pub fn end_of(&self) -> Option<End> {
        self.exited().map(End::of)
    }

    /// Whether it stands still, as after SIGSTOP.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        is_stopped(self.pid)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        // Held meanwhile: a child that nobody waits for keeps its id, so no other process can be
        // hit.
        let mut child = self.child();
        anyhow::ensure!(matches!(child.try_wait(), Ok(None)), "`{}` has ended", self.name);
        signal.send(i64::from(self.pid))
    }

    /// Kills it as a power cut would, and returns when it is gone.
    pub fn kill9(&self) {
        let mut child = self.child();
        // Both fail only for a process that is already gone.
        child.kill().ok();
        child.wait().ok();
    }

    /// Asks it to end in order.
    ///
    /// # Errors
    /// When it has ended.
    pub fn term(&self) -> Result<()> {
        self.signal(Signal::Term)
    }

    /// Asks it to read what was configured anew.
    ///
    /// # Errors
    /// When it has ended.
    pub fn hup(&self) -> Result<()> {
        self.signal(Signal::Hup)
    }

    /// Makes it stand still, as a stalled machine does.
    ///
    /// # Errors
    /// When it has ended.
    pub fn stop(&self) -> Result<()> {
        self.signal(Signal::Stop)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cont(&self) -> Result<()> {
        self.signal(Signal::Cont)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not end in time.
    pub async fn wait(&self, deadline: Duration) -> Result<ExitStatus> {
        wait::until(&format!("the end of `{}`", self.name), deadline, async || self.exited()).await
    }

    /// Asks it to end, and kills it when it does not in time. Blocks, since it is also used when
    /// dropping.
    pub(crate) fn end(&self, signal: Signal, deadline: Duration) {
        let told = self.signal(signal).is_ok();
        // One that stands still hears it when it goes on.
        self.signal(Signal::Cont).ok();
        if !(told && wait::blocking(deadline, || self.exited().is_some())) {
            self.kill9();
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if std::thread::panicking() {
            let text = format!("--- the end of the log of {self:?}\n{}\n", self.log_tail());
            std::io::stderr().write_all(text.as_bytes()).ok();
        }
    }
}

/// Whether a process stands still.
pub(crate) fn is_stopped(pid: u32) -> bool {
    // After the name, which is in brackets, comes the state.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// The last lines of a file.
fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Folder;

    /// What is waited for happens at once, unless the machine is busy.
    const SOON: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn it_tells_how_a_process_ended_and_that_it_stands_still() {
        let folder = Folder::create().expect("a folder can be made");
        for (script, end) in [
            ("exit 0", End::ORDER),
            ("exit 7", End::Exit(7)),
            ("kill -9 $$", End::KILL9),
            ("kill -15 $$", End::Killed(15)),
        ] {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", &format!("kill -STOP $$; {script}")]);
            let process = Process::start("sh", command, &folder.path().join("log"));
            let process = process.expect("there is a shell");
            let stopped = async || process.is_stopped().then_some(());
            wait::until("it to stand still", SOON, stopped).await.expect("it stops itself");
            assert_eq!(process.end_of(), None);
            process.cont().expect("it runs");
            process.wait(SOON).await.expect("it ends");
            assert_eq!((process.end_of(), process.is_stopped()), (Some(end), false));
        }
    }

    #[test]
    fn what_stands_still_is_ended_in_order_too() {
        let folder = Folder::create().expect("a folder can be made");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap 'exit 3' TERM; kill -STOP $$; while :; do sleep 0.01; done"]);
        let process = Process::start("sh", command, &folder.path().join("log"));
        let process = process.expect("there is a shell");
        assert!(wait::blocking(SOON, || process.is_stopped()));
        process.end(Signal::Term, SOON);
        assert_eq!(process.end_of(), Some(End::Exit(3)));
    }
}
