//! A private Postgres: its own folder and port, in the foreground as our child, with real syncing
//! to disk.

mod clock;
mod faults;

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    Folder, Guarded, Process, Report, Signal, disk::Disk, install, ports,
    programs::PostgresPrograms, settings, spawn, url, wait,
};

use clock::Clock;

pub use faults::Shutdown;

/// One second alone on the machine; this allows for recovery after a kill, and for a machine that
/// is busy compiling.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// Another process may take a port between choosing and binding; more often than this it is
/// something else.
const STARTS_MAX: u32 = 4;
/// Told to end at once, it takes well under a second.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// Many tests at once, each with an orchestrator, three participants and pools of its own.
const CONNECTIONS_MAX: u32 = 500;
/// One look whether the server answers.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// The user that Postgres runs as where we are root, which it refuses to be.
const UNPRIVILEGED: &str = "postgres";

/// One database of a server.
#[derive(Clone, Debug)]
pub struct Database {
    /// Its name.
    pub name: String,
    /// What `DATABASE_URL` takes.
    pub url: String,
}

/// A private Postgres. Ended when dropped.
#[derive(Debug)]
pub struct DatabaseServer {
    process: Process,
    setup: Setup,
    folder: Arc<Folder>,
}

/// How to run `psql` against a server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Psql {
    pub(crate) program: PathBuf,
    pub(crate) url: String,
}

/// What stays the same from one start of a server to the next.
#[derive(Debug)]
struct Setup {
    programs: PostgresPrograms,
    home: PathBuf,
    port: u16,
    user: Option<&'static str>,
    /// Where the data is, unless it is with everything else.
    disk: Option<Box<Disk>>,
    /// What it goes by, unless that is the machine's.
    clock: Option<Clock>,
}

impl DatabaseServer {
    /// Starts one in a folder of its own.
    ///
    /// # Errors
    /// When Postgres is not installed and cannot be, or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_in(&Arc::new(Folder::create()?), &|_| {}).await
    }

    /// Starts one in this folder.
    pub(crate) async fn start_in(folder: &Arc<Folder>, report: Report<'_>) -> Result<Self> {
        let programs = install::postgres(report)?;
        let setup = Setup::prepare(folder, programs)?;
        setup.init()?;
        Self::run(folder, setup).await
    }

    /// Starts one whose data is on a disk of its own, which is small enough to be filled: see
    /// [`Self::fill_disk`]. Where the machine does not allow it there is none, and stderr says so:
    /// the test is to be skipped.
    ///
    /// # Errors
    /// When Postgres is not installed and cannot be, or does not start.
    pub async fn start_on_small_disk() -> Result<Option<Self>> {
        let folder = Arc::new(Folder::create()?);
        let mut setup = Setup::prepare(&folder, install::postgres(&|_| {})?)?;
        setup.disk = Disk::mount(&folder, &setup.home, setup.user).await?;
        if setup.disk.is_none() {
            return Ok(None);
        }
        setup.init()?;
        Self::run(&folder, setup).await.map(Some)
    }

    /// Starts one that goes by a clock of its own: see [`Self::turn_clock`]. Where the machine does
    /// not allow it there is none, and stderr says so: the test is to be skipped.
    ///
    /// # Errors
    /// When Postgres is not installed and cannot be, or does not start.
    pub async fn start_with_own_clock() -> Result<Option<Self>> {
        let folder = Arc::new(Folder::create()?);
        let mut setup = Setup::prepare(&folder, install::postgres(&|_| {})?)?;
        setup.clock = Clock::make(&setup.home)?;
        if setup.clock.is_none() {
            return Ok(None);
        }
        setup.init()?;
        Self::run(&folder, setup).await.map(Some)
    }

    async fn run(folder: &Arc<Folder>, mut setup: Setup) -> Result<Self> {
        let mut last = None;
        for _ in 0..STARTS_MAX {
            match setup.run(folder).await {
                Ok(process) => return Ok(Self { process, setup, folder: Arc::clone(folder) }),
                Err(error) => last = Some(error),
            }
            setup.port = ports::free_port()?;
        }
        Err(last.context("no try was made")?)
    }

    /// What `DATABASE_URL` takes for a database; `postgres` is there from the start.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        url::with_path(&self.setup.url(), database)
    }

    /// The same over a unix socket, which costs less per round trip.
    #[must_use]
    pub fn socket_url(&self, database: &str) -> String {
        let folder = self.setup.home.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@localhost:{}/{database}?host={folder}", self.setup.port)
    }

    /// The port of 127.0.0.1 that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.setup.port
    }

    /// The id of the postmaster.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its process, to signal it or to read its log.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Runs a statement as the superuser and returns what it prints, unaligned and without
    /// headings.
    ///
    /// # Errors
    /// When it fails, with what the server said.
    pub async fn admin(&self, statement: &str) -> Result<String> {
        self.psql().run(statement).await
    }

    pub(crate) fn psql(&self) -> Psql {
        Psql { program: self.setup.programs.psql.clone(), url: self.url("postgres") }
    }

    /// Kills the postmaster as a power cut would; its backends follow by themselves.
    pub fn kill9(&self) {
        self.go_on();
        self.process.kill9();
        self.folder.release(i64::from(self.process.pid()));
    }

    /// Starts it again with its data and on its port, after killing what still runs.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill9();
        // Orphaned backends hold the old shared memory for some seconds, and a start is refused
        // until they let go.
        let setup = &self.setup;
        let folder = &self.folder;
        let again = wait::until("Postgres to start again", START_TIMEOUT, async || {
            setup.run(folder).await.ok()
        });
        self.process = again.await?;
        Ok(())
    }
}

impl Drop for DatabaseServer {
    fn drop(&mut self) {
        self.go_on();
        self.process.end(Signal::Quit, STOP_TIMEOUT);
        self.folder.release(i64::from(self.process.pid()));
    }
}

impl Setup {
    fn prepare(folder: &Folder, programs: PostgresPrograms) -> Result<Self> {
        let port = ports::free_port()?;
        let home = folder.subfolder(&format!("database-{port}"))?;
        let root = fs::metadata(&home).context("cannot look at our own folder")?.uid() == 0;
        let user = root.then_some(UNPRIVILEGED);
        if let Some(user) = user {
            let status = Command::new("chown").arg(user).arg(&home).status();
            let given = status.is_ok_and(|status| status.success());
            ensure!(
                given,
                "Postgres refuses to run as root and there is no user `{user}`; run as another user"
            );
        }
        Ok(Self { programs, home, port, user, disk: None, clock: None })
    }

    /// Makes the cluster. Nothing of it needs to survive a power cut, so this one time nothing is
    /// synced.
    fn init(&self) -> Result<()> {
        let mut command = self.command(&self.programs.initdb);
        command.args([
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        command.arg("-D").arg(self.data());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = spawn::spawn(command).context("cannot run `initdb`")?;
        let output = child.wait_with_output().context("cannot wait for `initdb`")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`initdb` failed: {complaint}");
        Ok(())
    }

    async fn run(&self, folder: &Folder) -> Result<Process> {
        let process = self.spawn()?;
        folder.guard(Guarded { pid: i64::from(process.pid()), signal: Signal::Quit })?;
        let up = wait::until("Postgres to take connections", START_TIMEOUT, async || {
            if process.exited().is_some() {
                return Some(false);
            }
            answers(self.port).await.then_some(true)
        });
        match up.await {
            Ok(true) => Ok(process),
            Ok(false) => {
                folder.release(i64::from(process.pid()));
                bail!("Postgres ended while starting; it said:\n{}", process.log_tail())
            }
            Err(error) => Err(error.context(process.log_tail())),
        }
    }

    fn spawn(&self) -> Result<Process> {
        let mut command = self.command(&self.programs.postgres);
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        command.arg("-k").arg(self.socket_folder());
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=on"]);
        command.args(["-c", &format!("max_connections={CONNECTIONS_MAX}")]);
        if self.disk.is_some() {
            command.args(["-c", "max_wal_size=48MB", "-c", "min_wal_size=32MB"]);
        }
        command.process_group(0);
        let log = self.home.with_extension("log");
        Process::start("postgres", command, &log)
    }

    /// A command as the right user, with nothing of our environment.
    fn command(&self, program: &Path) -> Command {
        let command = match &self.clock {
            // As the user that it is for: what the library shares is that user's own.
            Some(clock) => clock.seen_by(program, self.user),
            None => spawn::bound_to_us(program, Signal::Quit, self.user),
        };
        let mut command = match &self.disk {
            Some(disk) => disk.seen_by(&command),
            None => command,
        };
        command.env_clear().env("PATH", settings::path()).env("HOME", &self.home);
        command.env("LANG", "C.UTF-8").env("TZ", "UTC").current_dir(&self.home);
        command
    }

    fn data(&self) -> PathBuf {
        match &self.disk {
            Some(disk) => disk.data(),
            None => self.home.join("data"),
        }
    }

    /// The path of a unix socket must fit into 107 bytes; none is better than a server that does
    /// not start.
    fn socket_folder(&self) -> &Path {
        const SOCKET_FOLDER_BYTES_MAX: usize = 85;
        let fits = self.home.as_os_str().len() <= SOCKET_FOLDER_BYTES_MAX;
        if fits { &self.home } else { Path::new("") }
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }
}

impl Psql {
    /// Runs a statement and returns what it printed.
    pub(crate) async fn run(&self, statement: &str) -> Result<String> {
        let mut command = Command::new(&self.program);
        command.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-c", statement, &self.url]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = spawn::spawn(command).context("cannot run `psql`")?;
        let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await?;
        let output = output.context("cannot wait for `psql`")?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`psql` failed: {complaint}");
        Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
    }
}

/// Whether the server takes connections: it listens before it has recovered, and then answers with
/// an error.
async fn answers(port: u16) -> bool {
    // Protocol 3.0, the parameter `user`: the shortest startup packet.
    const STARTUP: &[u8] = b"\x00\x00\x00\x17\x00\x03\x00\x00user\x00postgres\x00\x00";
    let greet = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(STARTUP).await?;
        stream.read_u8().await
    };
    // An authentication request; an error would be `E`.
    matches!(timeout(PROBE_TIMEOUT, greet).await, Ok(Ok(b'R')))
}
