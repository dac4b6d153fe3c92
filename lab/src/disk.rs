//! A small disk for a server's data, in memory. Only the server's own processes see it, through a
//! mount namespace that ends with them, so nothing is left to unmount.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{Folder, Guarded, Process, Signal, programs, spawn, wait};

/// A fresh server takes a third of it at most; the rest is filled in a moment.
const SIZE: &str = "128m";
/// It takes milliseconds; this allows for a busy machine.
const MOUNT_TIMEOUT: Duration = Duration::from_secs(10);
/// Mounts the disk, gives it away, and keeps it.
const HOLD: &str = r#"
mount -t tmpfs -o "size=$2,mode=0700" saga-lab "$1" || exit
chown "$3" "$1" || exit
echo mounted
exec sleep infinity
"#;
/// The file that takes what is free.
const BALLAST: &str = "ballast";

/// A mounted disk.
#[derive(Debug)]
pub(crate) struct Disk {
    /// It lives as long as this process does.
    holder: Process,
    place: PathBuf,
    nsenter: PathBuf,
}

impl Disk {
    /// Mounts one below the home of a server, for its user. Without the right to do that there is
    /// none, and stderr says so.
    pub(crate) async fn mount(
        folder: &Folder,
        home: &Path,
        user: Option<&str>,
    ) -> Result<Option<Box<Self>>> {
        let place = home.join("disk");
        fs::create_dir(&place).context("cannot make a folder for a disk")?;
        let programs = (programs::in_path("unshare"), programs::in_path("nsenter"));
        let (Some(unshare), Some(nsenter)) = programs else {
            say("there are no `unshare` and `nsenter`; install util-linux");
            return Ok(None);
        };
        let mut command = spawn::bound_to_us(&unshare, Signal::Kill, None);
        command.args(["--mount", "--", "/bin/sh", "-c", HOLD, "saga-lab-disk"]).arg(&place);
        command.args([SIZE, user.unwrap_or("root")]);
        let holder = Process::start("disk", command, &home.join("disk.log"))?;
        folder.guard(Guarded { pid: i64::from(holder.pid()), signal: Signal::Kill })?;
        let mounted = wait::until("a disk to be mounted", MOUNT_TIMEOUT, async || {
            let is_mounted = holder.log_tail().contains("mounted");
            (is_mounted || holder.exited().is_some()).then_some(is_mounted)
        });
        if mounted.await? {
            return Ok(Some(Box::new(Self { holder, place, nsenter })));
        }
        folder.release(i64::from(holder.pid()));
        say(&format!("only root may mount one: {}", holder.log_tail().trim_end()));
        Ok(None)
    }

    /// The folder of the data on it.
    pub(crate) fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    /// The same command, but it sees the disk.
    pub(crate) fn seen_by(&self, command: &Command) -> Command {
        let mut inside = Command::new(&self.nsenter);
        inside.args(["--mount", "--target", &self.holder.pid().to_string(), "--"]);
        inside.arg(command.get_program()).args(command.get_args());
        inside
    }

    /// Takes what is free on it.
    pub(crate) fn fill(&self) -> Result<()> {
        let file = File::options().create(true).append(true).open(self.ballast());
        let mut file = file.context("cannot write to the small disk")?;
        // Smaller and smaller, until not even a page is left.
        for size in [1 << 20, 1 << 12, 1] {
            let chunk = vec![b'x'; size];
            loop {
                match file.write_all(&chunk) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("cannot fill the small disk"),
                }
            }
        }
        Ok(())
    }

    /// Gives back what [`Self::fill`] took.
    pub(crate) fn free(&self) -> Result<()> {
        match fs::remove_file(self.ballast()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).context("cannot free the small disk")
            }
            _ => Ok(()),
        }
    }

    /// The file as we see it from outside: through the holder's eyes.
    fn ballast(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.pid()));
        let place = self.place.strip_prefix("/").unwrap_or(&self.place);
        root.join(place).join(BALLAST)
    }
}

/// Straight to stderr, which shows even where a test passes.
fn say(why: &str) {
    let text = format!("\nSKIPPED: no small disk for a server: {why}\n\n");
    // A terminal that is gone is no reason to fail.
    io::stderr().write_all(text.as_bytes()).ok();
}
