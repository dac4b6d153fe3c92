//! A clock that a database goes by instead of the machine's: libfaketime, which answers its
//! processes whenever they ask what time it is.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{Signal, install, spawn};

/// Gives a program variables, on every system.
const ENV: &str = "/usr/bin/env";

/// A clock that can be turned.
#[derive(Debug)]
pub(super) struct Clock {
    library: PathBuf,
    /// Where it reads by how much it is off, each time it is asked.
    offset: PathBuf,
}

impl Clock {
    /// One that is right. Where the library is not installed and cannot be there is none, and
    /// stderr says so.
    pub(super) fn make(home: &Path) -> Result<Option<Self>> {
        let library = match install::faketime(&|_| {}) {
            Ok(library) => library,
            Err(error) => {
                // A terminal that is gone is no reason to fail.
                let text = format!("\nSKIPPED: no clock for a database: {error:#}\n\n");
                io::stderr().write_all(text.as_bytes()).ok();
                return Ok(None);
            }
        };
        let clock = Self { library, offset: home.join("clock") };
        clock.turn(0)?;
        Ok(Some(clock))
    }

    /// Lets it be off by so many seconds from now on; ahead, or behind where they are negative.
    pub(super) fn turn(&self, seconds: i64) -> Result<()> {
        // Renamed, so that nobody reads half of it.
        let new = self.offset.with_extension("new");
        fs::write(&new, format!("{seconds:+}\n"))
            .and_then(|()| fs::rename(&new, &self.offset))
            .context("cannot turn the clock of a database")
    }

    /// A program of this user that goes by it, bound to us. How long something takes it is told
    /// rightly.
    pub(super) fn seen_by(&self, program: &Path, user: Option<&str>) -> Command {
        let (library, offset) = (self.library.display(), self.offset.display());
        let mut command = spawn::bound_to_us(Path::new(ENV), Signal::Quit, user);
        command
            .args([format!("LD_PRELOAD={library}"), format!("FAKETIME_TIMESTAMP_FILE={offset}")]);
        command.args(["FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"]).arg(program);
        command
    }
}
