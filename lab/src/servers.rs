//! The owner of a lab's servers: private ones unless the user names others.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};

use crate::{
    Broker, DatabaseServer, Folder, Given, Guarded, Lab, Report, broker::Ctl, database::Psql,
    programs,
};

/// Servers that run, and a folder for what runs on them. Private ones end when dropped.
#[derive(Debug)]
pub struct Servers {
    lab: Lab,
    // In the order in which they end; the folder last, since the others write to it.
    broker: Option<Broker>,
    database: Option<DatabaseServer>,
    folder: Arc<Folder>,
}

impl Servers {
    /// Starts the servers that are not given.
    ///
    /// # Errors
    /// When one is not installed and cannot be, or does not start; the message says what to do.
    pub async fn start(given: &Given, report: Report<'_>) -> Result<Self> {
        let folder = Arc::new(Folder::create()?);
        folder.subfolder("logs")?;
        let broker = async {
            if given.amqp_url.is_some() {
                return Ok(None);
            }
            report("starting a private RabbitMQ");
            Broker::start_in(&folder, report).await.map(Some)
        };
        let database = async {
            if given.database_url.is_some() {
                return Ok(None);
            }
            report("starting a private Postgres");
            DatabaseServer::start_in(&folder, report).await.map(Some)
        };
        let (broker, database) = tokio::try_join!(broker, database)?;
        let lab = describe(given, folder.path().to_owned(), broker.as_ref(), database.as_ref())?;
        Ok(Self { lab, broker, database, folder })
    }

    /// How tests and processes see them.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// The private broker, if there is one.
    #[must_use]
    pub fn broker(&self) -> Option<&Broker> {
        self.broker.as_ref()
    }

    /// The private Postgres, if there is one.
    #[must_use]
    pub fn database(&self) -> Option<&DatabaseServer> {
        self.database.as_ref()
    }

    /// Has a process ended should we not live to do it.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn guard(&self, process: Guarded) -> Result<()> {
        self.folder.guard(process)
    }

    /// Ends everything; on given servers removes what was made there.
    ///
    /// # Errors
    /// When something could not be removed from a given server.
    pub async fn finish(self) -> Result<()> {
        if self.broker.is_some() && self.database.is_some() {
            return Ok(());
        }
        self.lab.remove_made().await.context("something may be left on the servers you named")
    }
}

fn describe(
    given: &Given,
    folder: PathBuf,
    broker: Option<&Broker>,
    database: Option<&DatabaseServer>,
) -> Result<Lab> {
    let (amqp_url, ctl) = match broker {
        Some(broker) => (broker.url("%2f"), broker.ctl_program()),
        None => (given.amqp_url.clone().context("no broker")?, given_ctl()),
    };
    let psql = match database {
        Some(database) => database.psql(),
        None => given_psql(given.database_url.clone().context("no database")?),
    };
    Ok(Lab {
        folder,
        amqp_url,
        ctl,
        own_broker: false,
        broker_pid: broker.map(Broker::pid),
        psql,
        database_pid: database.map(DatabaseServer::pid),
    })
}

/// Whatever `rabbitmqctl` the user has: it speaks to the broker that the user's own settings name.
fn given_ctl() -> Ctl {
    let program = programs::in_path("rabbitmqctl").unwrap_or_else(|| "rabbitmqctl".into());
    Ctl { program, variables: BTreeMap::new() }
}

fn given_psql(url: String) -> Psql {
    let program = programs::in_path("psql").unwrap_or_else(|| "psql".into());
    Psql { program, url }
}
