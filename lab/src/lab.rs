//! What a test sees of the servers that run it: a virtual host and a database of its own, fast.

use std::{
    fs::{self, File},
    io::Write,
    path::PathBuf,
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    Broker, Database, DatabaseServer, Queues, System, SystemSettings, Vhost, broker::Ctl,
    database::Psql, queues, settings, url,
};

/// Virtual hosts are made so many at once: one `rabbitmqctl` costs most of a second of a core,
/// whatever it does.
const VHOSTS_AT_ONCE: usize = 16;
/// The file in the lab's folder with the names of the virtual hosts that were made.
const VHOSTS: &str = "vhosts.made";
/// The file in the lab's folder with the names of the databases that were made.
const DATABASES: &str = "databases.made";

/// Servers that are running, ours or given.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lab {
    pub(crate) folder: PathBuf,
    pub(crate) amqp_url: String,
    pub(crate) ctl: Ctl,
    /// Whether the broker is a test's own: the virtual hosts made ahead are not on it.
    #[serde(skip)]
    pub(crate) own_broker: bool,
    /// The broker's process, where it is ours.
    pub(crate) broker_pid: Option<u32>,
    pub(crate) psql: Psql,
    /// The postmaster's process, where it is ours.
    pub(crate) database_pid: Option<u32>,
}

impl Lab {
    /// The lab that runs us, as told by `SAGA_LAB`.
    ///
    /// # Errors
    /// When there is none; the message says how to run tests in one.
    pub fn from_env() -> Result<Self> {
        serde_json::from_str(&settings::lab()?).context("`SAGA_LAB` is not what the lab writes")
    }

    /// The same lab, but with this broker, for tests that break it. Virtual hosts are made one by
    /// one there.
    #[must_use]
    pub fn with_broker(mut self, broker: &Broker) -> Self {
        self.amqp_url = broker.url("%2f");
        self.ctl = broker.ctl_program();
        self.broker_pid = Some(broker.pid());
        self.own_broker = true;
        self
    }

    /// The same lab, but with this Postgres, for tests that break it.
    #[must_use]
    pub fn with_database(mut self, server: &DatabaseServer) -> Self {
        self.psql = server.psql();
        self.database_pid = Some(server.pid());
        self
    }

    /// The queues of a virtual host, to break them.
    #[must_use]
    pub fn queues(&self, vhost: &str) -> Queues {
        Queues::new(self.ctl.clone(), vhost)
    }

    /// The variable, and its value, that tells a process of this lab.
    ///
    /// # Errors
    /// Never: the description always serializes.
    pub fn variable(&self) -> Result<(&'static str, String)> {
        Ok((settings::LAB, serde_json::to_string(self)?))
    }

    /// A fresh virtual host, for whoever asks alone. It is gone with the lab.
    ///
    /// # Errors
    /// When the broker does not make one.
    pub async fn vhost(&self) -> Result<Vhost> {
        let name = if self.own_broker {
            let names = vhost_names(1);
            self.make_vhosts(&names).await?;
            names.concat()
        } else {
            self.claim_vhost().await?
        };
        Ok(Vhost { url: url::with_path(&self.amqp_url, &name), name })
    }

    /// A fresh, empty database, for whoever asks alone. It is gone with the lab.
    ///
    /// # Errors
    /// When the server does not make one.
    pub async fn database(&self) -> Result<Database> {
        let name = format!("lab_{:016x}", rand::random::<u64>());
        self.note(DATABASES, &name)?;
        self.psql.run(&format!("create database {name}")).await?;
        Ok(Database { url: url::with_path(&self.psql.url, &name), name })
    }

    /// Orchestrator and participants as processes, on a virtual host and a database of their own.
    ///
    /// # Errors
    /// When they are not built, or not ready in time.
    pub async fn system(&self) -> Result<System> {
        let (vhost, database) = (self.vhost().await?, self.database().await?);
        System::start(SystemSettings::new(&vhost.url, &database.url, &self.logs())).await
    }

    /// Runs `rabbitmqctl` against the broker and returns what it printed.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub async fn rabbitmqctl(&self, arguments: &[&str]) -> Result<String> {
        self.ctl.run(arguments).await
    }

    /// Runs a statement as the superuser and returns what it prints, unaligned and without
    /// headings.
    ///
    /// # Errors
    /// When it fails, with what the server said.
    pub async fn admin(&self, statement: &str) -> Result<String> {
        self.psql.run(statement).await
    }

    /// What `AMQP_URL` takes for the default virtual host.
    #[must_use]
    pub fn amqp_url(&self) -> &str {
        &self.amqp_url
    }

    /// What `DATABASE_URL` takes for the first database.
    #[must_use]
    pub fn database_url(&self) -> &str {
        &self.psql.url
    }

    /// The broker's process, where it is private. All tests share it: one that kills a broker
    /// starts its own.
    #[must_use]
    pub fn broker_pid(&self) -> Option<u32> {
        self.broker_pid
    }

    /// The postmaster's process, where it is private. All tests share it: one that kills a server
    /// starts its own.
    #[must_use]
    pub fn database_pid(&self) -> Option<u32> {
        self.database_pid
    }

    /// The folder of the processes' logs.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// Takes a virtual host from those that were made ahead, in whatever process; makes more when
    /// none is left.
    async fn claim_vhost(&self) -> Result<String> {
        let lock = File::create(self.folder.join("vhosts.lock")).context("the lab is gone")?;
        // Held until the end of this function: processes take turns. Another thread waits for it,
        // ours goes on.
        let _turn = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
        let free = self.folder.join("vhosts.free");
        let text = fs::read_to_string(&free).unwrap_or_default();
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        if names.is_empty() {
            names = vhost_names(VHOSTS_AT_ONCE);
            for name in &names {
                self.note(VHOSTS, name)?;
            }
            self.make_vhosts(&names).await?;
        }
        let name = names.pop().context("no virtual host was made")?;
        fs::write(&free, names.join("\n")).context("cannot write in the lab's folder")?;
        Ok(name)
    }

    async fn make_vhosts(&self, names: &[String]) -> Result<()> {
        let user = url::user(&self.amqp_url).unwrap_or("guest");
        ensure!(
            user.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
            "`AMQP_URL` has a user name that the lab cannot pass on"
        );
        let made = self.ctl.run(&["eval", &queues::making_vhosts(names, user)]).await;
        made.map(|_| ()).with_context(|| {
            let hint = "unset `AMQP_URL` to let the lab start a broker of its own";
            format!("cannot make virtual hosts on this broker; {hint}")
        })
    }

    /// Removes what was made on servers that outlive us.
    pub(crate) async fn remove_made(&self) -> Result<()> {
        for name in self.noted(DATABASES) {
            self.psql.run(&format!("drop database if exists {name} with (force)")).await?;
        }
        for name in self.noted(VHOSTS) {
            self.ctl.run(&["delete_vhost", &name]).await?;
        }
        Ok(())
    }

    /// Writes down, before it is made, what must be removed at the end.
    fn note(&self, file: &str, name: &str) -> Result<()> {
        let file = File::options().create(true).append(true).open(self.folder.join(file));
        // One short write to a file opened for appending is never torn.
        file.and_then(|mut file| file.write_all(format!("{name}\n").as_bytes()))
            .context("cannot write in the lab's folder")
    }

    fn noted(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.folder.join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Names that no virtual host has yet.
fn vhost_names(count: usize) -> Vec<String> {
    let batch = format!("lab-{:08x}", rand::random::<u32>());
    (0..count).map(|n| format!("{batch}-{n}")).collect()
}
