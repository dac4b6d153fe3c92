//! Installing what is missing, where that is possible: Debian's packages, as root, without starting
//! Debian's services.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    Report,
    programs::{self, PostgresPrograms, RabbitPrograms},
};

/// Debian asks this program whether a service may be started; 101 means no.
const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Where the machine's own answer is kept meanwhile.
const POLICY_KEPT: &str = "/usr/sbin/policy-rc.d.kept-by-saga-lab";
const POLICY_DENIES: &str = "#!/bin/sh\nexit 101\n";

/// Debian's name of a broker's package.
const RABBIT_PACKAGE: &str = "rabbitmq-server";
/// Debian's name of a database's package.
const POSTGRES_PACKAGE: &str = "postgresql";

/// Debian's name of the package of a library that turns clocks.
const FAKETIME_PACKAGE: &str = "libfaketime";

/// The programs of RabbitMQ, installed if need be.
pub(crate) fn rabbit(report: Report<'_>) -> Result<RabbitPrograms> {
    found_or_installed("RabbitMQ", RABBIT_PACKAGE, programs::rabbit, report)
}

/// The programs of Postgres, installed if need be.
pub(crate) fn postgres(report: Report<'_>) -> Result<PostgresPrograms> {
    found_or_installed("Postgres", POSTGRES_PACKAGE, programs::postgres, report)
}

/// libfaketime, installed if need be.
pub(crate) fn faketime(report: Report<'_>) -> Result<PathBuf> {
    found_or_installed("libfaketime", FAKETIME_PACKAGE, programs::faketime, report)
}

fn found_or_installed<T>(
    name: &str,
    package: &str,
    find: impl Fn() -> Option<T>,
    report: Report<'_>,
) -> Result<T> {
    if let Some(programs) = find() {
        return Ok(programs);
    }
    let Some(apt) = programs::in_path("apt-get") else {
        bail!(
            "{name} is not installed; install it with your system's package manager and see that \
             its programs are in `PATH`"
        );
    };
    let by_hand = format!("apt-get update && apt-get install --no-install-recommends {package}");
    if !is_root() {
        bail!(
            "{name} is not installed, and only root may install it; run `sudo sh -c '{by_hand}'`"
        );
    }
    report(&format!("{name} is not installed: installing Debian's package `{package}`"));
    install(&apt, package)
        .with_context(|| format!("cannot install `{package}`; try `{by_hand}`"))?;
    find().with_context(|| {
        format!("`{package}` is installed, but its programs are not where they should be")
    })
}

/// Whether we may install packages: the folder of our own process belongs to who we are.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

fn install(apt: &Path, package: &str) -> Result<()> {
    let _policy = Policy::deny()?;
    for arguments in [vec!["update"], vec!["install", "-y", "--no-install-recommends", package]] {
        let mut command = Command::new(apt);
        command.args(&arguments).env("DEBIAN_FRONTEND", "noninteractive");
        // What it says is talk, not our data.
        command.stdin(Stdio::null()).stdout(io::stderr());
        let status = command.status().context("cannot run `apt-get`")?;
        ensure!(status.success(), "`apt-get {}` failed", arguments.join(" "));
    }
    Ok(())
}

/// While it lives, Debian starts no service; then the machine's own answer is back.
struct Policy;

impl Policy {
    fn deny() -> Result<Self> {
        // A copy that is already there was left by one of us that was killed: it is the machine's
        // own answer.
        if Path::new(POLICY).exists() && !Path::new(POLICY_KEPT).exists() {
            fs::rename(POLICY, POLICY_KEPT).context("cannot set `policy-rc.d` aside")?;
        }
        let policy = Self;
        fs::write(POLICY, POLICY_DENIES).context("cannot write `policy-rc.d`")?;
        fs::set_permissions(POLICY, fs::Permissions::from_mode(0o755))
            .context("cannot make `policy-rc.d` executable")?;
        Ok(policy)
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        let restored = if Path::new(POLICY_KEPT).exists() {
            fs::rename(POLICY_KEPT, POLICY)
        } else {
            fs::remove_file(POLICY)
        };
        // Nobody is left to tell: the next run that installs mends it.
        restored.ok();
    }
}
