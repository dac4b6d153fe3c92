//! Our own binaries as real processes.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result, ensure};

use crate::{Hosts, Process, Signal, lab::Lab, settings, spawn};

/// One of the product's binaries with its arguments and its whole environment: of ours it sees only
/// what is harmless.
#[derive(Clone, Debug)]
pub struct Binary {
    name: String,
    arguments: Vec<OsString>,
    variables: Vec<(String, OsString)>,
    logs: Option<PathBuf>,
    hosts: Option<Hosts>,
}

impl Binary {
    /// The binary of this name from the folder that the running program comes from.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            arguments: Vec::new(),
            variables: Vec::new(),
            logs: None,
            hosts: None,
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// With a variable in its environment; the last value of a name counts.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Without this variable, whatever it was set to.
    #[must_use]
    pub fn without_env(mut self, name: &str) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    /// With its log in this folder; without it in the folder of the lab that `SAGA_LAB` tells of.
    #[must_use]
    pub fn log_in(mut self, folder: &Path) -> Self {
        self.logs = Some(folder.to_owned());
        self
    }

    /// With this table of hosts instead of the machine's.
    #[must_use]
    pub fn with_hosts(mut self, hosts: &Hosts) -> Self {
        self.hosts = Some(hosts.clone());
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Starts it. It is killed when the [`Process`] is dropped, and when we die.
    ///
    /// # Errors
    /// When it is not built, or its log cannot be written.
    pub fn spawn(&self) -> Result<Process> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let logs = match &self.logs {
            Some(folder) => folder.clone(),
            None => Lab::from_env()?.logs(),
        };
        fs::create_dir_all(&logs).with_context(|| format!("cannot make `{}`", logs.display()))?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // An example's name has the folder that it is built in.
        let name = self.name.replace('/', "-");
        let log = logs.join(format!("{name}-{}-{count}.log", std::process::id()));
        Process::start(&self.name, self.command()?, &log)
    }

    /// Runs it to its end, with no input, and returns what it said. Blocks.
    ///
    /// # Errors
    /// When it is not built or cannot be run.
    pub fn output(&self) -> Result<Output> {
        let mut command = self.command()?;
        command.stdin(std::process::Stdio::null());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = spawn::spawn(command).with_context(|| format!("cannot run `{}`", self.name))?;
        child.wait_with_output().with_context(|| format!("cannot wait for `{}`", self.name))
    }

    fn command(&self) -> Result<Command> {
        let program = folder()?.join(&self.name);
        ensure!(
            program.is_file(),
            "`{}` is not built; build it with `cargo build --workspace`, or let `cargo run -p lab \
             -- test` do it",
            program.display()
        );
        let command = spawn::bound_to_us(&program, Signal::Kill, None);
        let mut command = match &self.hosts {
            Some(hosts) => hosts.seen_by(&command),
            None => command,
        };
        command.args(&self.arguments).env_clear().envs(settings::passed_on());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }
}

/// Where the binaries of our own build are: beside the running program, or above it where that is a
/// test.
pub(crate) fn folder() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot tell where the running program is")?;
    let folder = program.parent().context("the running program is in no folder")?;
    match folder.file_name().and_then(OsStr::to_str) {
        Some("deps" | "examples") => Ok(folder.parent().unwrap_or(folder).to_owned()),
        _ => Ok(folder.to_owned()),
    }
}

/// The folder of the workspace that the lab was built from.
#[must_use]
pub fn workspace() -> PathBuf {
    let lab = Path::new(env!("CARGO_MANIFEST_DIR"));
    lab.parent().unwrap_or(lab).to_owned()
}
