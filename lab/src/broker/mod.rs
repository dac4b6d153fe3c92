//! A private RabbitMQ: its own folders, ports, node name, cookie and port mapper, in the foreground
//! as our child.

mod faults;

use std::{
    collections::BTreeMap,
    fs,
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
    Folder, Guarded, Process, Report, Signal, disk::Disk, install, ports, programs::RabbitPrograms,
    settings, spawn, url, wait,
};

/// Four seconds alone on the machine; this allows for a machine that is busy compiling.
const START_TIMEOUT: Duration = Duration::from_secs(120);
/// Another process may take a port between choosing and binding; more often than this it is
/// something else.
const STARTS_MAX: u32 = 4;
/// A broker that is asked to end takes about a second. Its data is thrown away, so no reason to
/// wait long.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// The same where its data is to be kept: it writes it down before it ends.
const SHUT_DOWN_TIMEOUT: Duration = Duration::from_secs(30);
/// `rabbitmqctl` distributes over one of so many ports: so many may run at once.
const CTL_PORTS: u16 = 40;
/// One look whether the broker answers.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// A virtual host of a broker.
#[derive(Clone, Debug)]
pub struct Vhost {
    /// Its name.
    pub name: String,
    /// What `AMQP_URL` takes.
    pub url: String,
}

/// A private RabbitMQ. Ended, with all that belongs to it, when dropped.
#[derive(Debug)]
pub struct Broker {
    process: Process,
    mapper: Process,
    setup: Setup,
    folder: Arc<Folder>,
}

/// How to run `rabbitmqctl` against a broker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ctl {
    pub(crate) program: PathBuf,
    /// Empty for a broker that is not ours: then the user's own environment says which it is.
    pub(crate) variables: BTreeMap<String, String>,
}

/// What stays the same from one start of a broker to the next.
#[derive(Debug)]
struct Setup {
    programs: RabbitPrograms,
    home: PathBuf,
    amqp_port: u16,
    distribution_port: u16,
    mapper_port: u16,
    ctl_port: u16,
    /// Where its data is, unless it is with everything else.
    disk: Option<Box<Disk>>,
}

impl Broker {
    /// Starts one in a folder of its own.
    ///
    /// # Errors
    /// When RabbitMQ is not installed and cannot be, or does not start.
    pub async fn start() -> Result<Self> {
        Self::start_in(&Arc::new(Folder::create()?), &|_| {}).await
    }

    /// Starts one in this folder.
    pub(crate) async fn start_in(folder: &Arc<Folder>, report: Report<'_>) -> Result<Self> {
        let programs = install::rabbit(report)?;
        let mut last = None;
        for _ in 0..STARTS_MAX {
            let setup = Setup::prepare(folder, programs.clone())?;
            match setup.run(folder).await {
                Ok((process, mapper)) => {
                    return Ok(Self { process, mapper, setup, folder: Arc::clone(folder) });
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no try was made")?)
    }

    /// Starts one whose data is on a disk of its own, which is small enough to be filled: see
    /// [`Self::fill_disk`]. Where the machine does not allow it there is none, and stderr says so:
    /// the test is to be skipped.
    ///
    /// # Errors
    /// When RabbitMQ is not installed and cannot be, or does not start.
    pub async fn start_on_small_disk() -> Result<Option<Self>> {
        let folder = Arc::new(Folder::create()?);
        let mut setup = Setup::prepare(&folder, install::rabbit(&|_| {})?)?;
        setup.disk = Disk::mount(&folder, &setup.home, None).await?;
        if setup.disk.is_none() {
            return Ok(None);
        }
        let (process, mapper) = setup.run(&folder).await?;
        Ok(Some(Self { process, mapper, setup, folder }))
    }

    /// What `AMQP_URL` takes for a virtual host, `%2f` for the default one.
    #[must_use]
    pub fn url(&self, vhost: &str) -> String {
        url::with_path(&self.setup.url(), vhost)
    }

    /// The port of 127.0.0.1 that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.setup.amqp_port
    }

    /// The id of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its process, to signal it or to read its log.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Runs `rabbitmqctl` and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub async fn ctl(&self, arguments: &[&str]) -> Result<String> {
        self.ctl_program().run(arguments).await
    }

    /// Lets the broker write down which queues there are, which it otherwise does about a second
    /// after they were made. Killed before that, it comes back with a queue's name without the
    /// queue, and whoever consumes from it waits for ever.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn sync(&self) -> Result<()> {
        self.ctl(&["eval", "lists:foreach(fun dets:sync/1, dets:all())."]).await.map(|_| ())
    }

    pub(crate) fn ctl_program(&self) -> Ctl {
        Ctl { program: self.setup.programs.ctl.clone(), variables: self.setup.ctl_variables() }
    }

    /// Kills it as a power cut would.
    pub fn kill9(&self) {
        self.process.kill9();
        self.folder.release(i64::from(self.process.pid()));
    }

    /// Asks it to end in order, as an operator's restart does, and waits for it. [`Self::restart`]
    /// starts it again.
    pub async fn shut_down(&self) {
        if self.process.term().is_ok() && self.process.wait(SHUT_DOWN_TIMEOUT).await.is_ok() {
            self.folder.release(i64::from(self.process.pid()));
        } else {
            self.kill9();
        }
    }

    /// Starts it again with its data and on its ports, after killing what still runs.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self) -> Result<()> {
        self.kill9();
        self.process = self.setup.run_server(&self.folder).await?;
        Ok(())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.process.end(Signal::Term, STOP_TIMEOUT);
        self.folder.release(i64::from(self.process.pid()));
        self.mapper.end(Signal::Term, STOP_TIMEOUT);
        self.folder.release(i64::from(self.mapper.pid()));
    }
}

impl Setup {
    fn prepare(folder: &Folder, programs: RabbitPrograms) -> Result<Self> {
        let amqp_port = ports::free_port()?;
        let home = folder.subfolder(&format!("broker-{amqp_port}"))?;
        let setup = Self {
            programs,
            amqp_port,
            distribution_port: ports::free_port()?,
            mapper_port: ports::free_port()?,
            ctl_port: ports::free_port()?,
            home,
            disk: None,
        };
        let config = format!(
            "listeners.tcp.default = 127.0.0.1:{amqp_port}\n\
             log.console = true\nlog.console.level = info\nlog.file = false\n"
        );
        for (name, text) in
            [("rabbitmq.conf", config.as_str()), ("env.conf", ""), ("plugins", "[].\n")]
        {
            fs::write(setup.home.join(name), text).context("cannot write the broker's settings")?;
        }
        Ok(setup)
    }

    /// The port mapper and the server, both up.
    async fn run(&self, folder: &Folder) -> Result<(Process, Process)> {
        let mapper = self.start_mapper(folder)?;
        match self.run_server(folder).await {
            Ok(server) => Ok((server, mapper)),
            Err(error) => {
                folder.release(i64::from(mapper.pid()));
                Err(error)
            }
        }
    }

    /// Erlang's port mapper, started by us: otherwise the server starts one that lives for ever.
    fn start_mapper(&self, folder: &Folder) -> Result<Process> {
        let mut command = spawn::bound_to_us(&self.programs.epmd, Signal::Kill, None);
        command.args(["-port", &self.mapper_port.to_string(), "-address", "127.0.0.1"]);
        self.guarded(folder, "epmd", command)
    }

    async fn run_server(&self, folder: &Folder) -> Result<Process> {
        let mut command = spawn::bound_to_us(&self.programs.server, Signal::Kill, None);
        // With input allowed the script becomes the server instead of staying its parent, so the id
        // is the server's.
        command.arg("-noinput");
        if let Some(disk) = &self.disk {
            command = disk.seen_by(&command);
        }
        let process = self.guarded(folder, "rabbitmq", command)?;
        let up = wait::until("RabbitMQ to listen", START_TIMEOUT, async || {
            if process.exited().is_some() {
                return Some(false);
            }
            answers(self.amqp_port).await.then_some(true)
        });
        match up.await {
            Ok(true) => Ok(process),
            Ok(false) => {
                folder.release(i64::from(process.pid()));
                bail!("RabbitMQ ended while starting; it said:\n{}", process.log_tail())
            }
            Err(error) => Err(error.context(process.log_tail())),
        }
    }

    fn guarded(&self, folder: &Folder, name: &str, mut command: Command) -> Result<Process> {
        use std::os::unix::process::CommandExt;
        command.env_clear().envs(self.server_variables()).current_dir(&self.home);
        command.process_group(0);
        let process = Process::start(name, command, &self.home.join(format!("{name}.log")))?;
        folder.guard(Guarded { pid: i64::from(process.pid()), signal: Signal::Kill })?;
        Ok(process)
    }

    fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.amqp_port)
    }

    /// What server and `rabbitmqctl` must agree on.
    fn common_variables(&self) -> BTreeMap<String, String> {
        let file = |name: &str| self.home.join(name).display().to_string();
        let loopback = "-kernel inet_dist_use_interface {127,0,0,1}".to_owned();
        let variables = [
            ("PATH", settings::path()),
            ("HOME", self.home.display().to_string()),
            ("LANG", "C.UTF-8".to_owned()),
            ("ERL_EPMD_PORT", self.mapper_port.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_NODENAME", "saga-lab@localhost".to_owned()),
            ("RABBITMQ_CONF_ENV_FILE", file("env.conf")),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", loopback.clone()),
            ("RABBITMQ_CTL_ERL_ARGS", loopback),
        ];
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn server_variables(&self) -> BTreeMap<String, String> {
        let file = |name: &str| self.home.join(name).display().to_string();
        let data = self
            .disk
            .as_ref()
            .map_or_else(|| file("data"), |disk| disk.data().display().to_string());
        let mut variables = self.common_variables();
        variables.extend([
            ("RABBITMQ_ALLOW_INPUT".to_owned(), "1".to_owned()),
            ("RABBITMQ_CONFIG_FILE".to_owned(), file("rabbitmq.conf")),
            ("RABBITMQ_DIST_PORT".to_owned(), self.distribution_port.to_string()),
            ("RABBITMQ_ENABLED_PLUGINS_FILE".to_owned(), file("plugins")),
            ("RABBITMQ_LOG_BASE".to_owned(), file("log")),
            ("RABBITMQ_MNESIA_BASE".to_owned(), data),
            ("RABBITMQ_PID_FILE".to_owned(), file("pid")),
            ("ERL_CRASH_DUMP".to_owned(), file("crash.dump")),
        ]);
        variables
    }

    fn ctl_variables(&self) -> BTreeMap<String, String> {
        let mut variables = self.common_variables();
        let (first, last) = (self.ctl_port, self.ctl_port.saturating_add(CTL_PORTS));
        variables.insert("RABBITMQ_CTL_DIST_PORT_MIN".to_owned(), first.to_string());
        variables.insert("RABBITMQ_CTL_DIST_PORT_MAX".to_owned(), last.to_string());
        variables
    }
}

impl Ctl {
    /// Runs it and returns what it printed.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.program);
        if !self.variables.is_empty() {
            command.env_clear().envs(&self.variables).current_dir(home(&self.variables));
        }
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let what = format!("`rabbitmqctl {}`", arguments.join(" "));
        let child = spawn::spawn(command).with_context(|| format!("cannot run {what}"))?;
        let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await?;
        let output = output.with_context(|| format!("cannot wait for {what}"))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{what} failed: {said}{complaint}");
        Ok(said)
    }
}

fn home(variables: &BTreeMap<String, String>) -> &Path {
    variables.get("HOME").map_or(Path::new("/"), Path::new)
}

/// Whether a broker greets on this port: it listens only once it is whole.
async fn answers(port: u16) -> bool {
    let greet = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.write_all(b"AMQP\x00\x00\x09\x01").await?;
        stream.read_u8().await
    };
    // A method frame, which is number 1: the broker's `connection.start`.
    matches!(timeout(PROBE_TIMEOUT, greet).await, Ok(Ok(1)))
}
