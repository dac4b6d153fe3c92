//! A table of hosts of processes' own: names that resolve to whatever a test wants. Only they see
//! it, through mount namespaces that end with them.

use std::{
    fmt::Write,
    fs,
    io::{self, Write as _},
    net::{IpAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};

use crate::programs;

/// Puts the table in the place of the machine's, and becomes the program.
const WITH_HOSTS: &str = r#"mount --bind "$1" /etc/hosts || exit; shift; exec "$@""#;

/// A table of hosts.
#[derive(Clone, Debug)]
pub struct Hosts {
    file: PathBuf,
    unshare: PathBuf,
}

impl Hosts {
    /// A table in this folder in which a name has these addresses, all of them this machine's.
    /// Where it lacks one of them, or the right to have processes see the table, there is none,
    /// and stderr says so: the test is to be skipped.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn make(folder: &Path, name: &str, addresses: &[IpAddr]) -> Result<Option<Self>> {
        let mut table = "127.0.0.1 localhost\n".to_owned();
        for address in addresses {
            writeln!(table, "{address} {name}")?;
        }
        let file = folder.join(format!("hosts-{name}"));
        fs::write(&file, table).context("cannot write a table of hosts")?;
        let unshare = programs::in_path("unshare");
        let hosts = unshare.map(|unshare| Self { file, unshare });
        let are_ours = addresses.iter().all(|address| TcpListener::bind((*address, 0)).is_ok());
        let hosts = hosts.filter(|hosts| are_ours && hosts.may_be_seen());
        if hosts.is_none() {
            // A terminal that is gone is no reason to fail.
            let text = "\nSKIPPED: no table of hosts: it takes root, `unshare` and IPv6\n\n";
            io::stderr().write_all(text.as_bytes()).ok();
        }
        Ok(hosts)
    }

    fn may_be_seen(&self) -> bool {
        let mut command = self.seen_by(&Command::new("/bin/true"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// The same command, but it sees the table.
    pub(crate) fn seen_by(&self, command: &Command) -> Command {
        let mut inside = Command::new(&self.unshare);
        inside.args(["--mount", "--", "/bin/sh", "-c", WITH_HOSTS, "saga-lab-hosts"]);
        inside.arg(&self.file).arg(command.get_program()).args(command.get_args());
        inside
    }
}
