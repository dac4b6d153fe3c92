//! The composition root: the one file that names concrete adapters. `saga serve` stands on RabbitMQ
//! and Postgres; `saga dev` on a file, and on a broker within the process or a RabbitMQ.

use std::{path::Path, sync::Arc};

use saga_bus::{Amqp, Broker, Bus, Role};
use saga_store::{Postgres, Sqlite, Store, Unready, Unusable};

use crate::{
    cli::Failure,
    settings::{self, ServerUrl},
};

/// Connections of the database: two transactions of starts and four of replies are in flight at
/// once, one each of due and of late looks; the rest reads for the API.
const CONNECTIONS: u32 = 16;

/// What the orchestrator stands on.
pub(crate) struct Adapters {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) bus: Arc<dyn Bus>,
    database: Database,
}

/// Where sagas are kept, for what is done before and after the store is used.
enum Database {
    Server { store: Arc<Postgres>, migrate: bool },
    File(Arc<Sqlite>),
}

/// What carries messages in `saga dev`.
pub(crate) enum Carrier {
    Within(Broker),
    Server(ServerUrl),
}

impl Adapters {
    /// RabbitMQ and Postgres. Neither need be there yet.
    pub(crate) fn servers(settings: &settings::Serve) -> Result<Self, Failure> {
        let options = saga_store::Options {
            connections: CONNECTIONS,
            allow_unsafe: settings.allow_unsafe_db,
        };
        let store = Arc::new(open_store(&settings.database, options)?);
        let bus = amqp(&settings.amqp_url, Role::Server, "correct `--amqp-url` or `AMQP_URL`")?;
        let database = Database::Server { store: Arc::clone(&store), migrate: settings.migrate };
        Ok(Self { store, bus, database })
    }

    /// A file, whose schema is brought up to date, and whatever carries messages.
    pub(crate) async fn embedded(file: &Path, carrier: &Carrier) -> Result<Self, Failure> {
        let store = Arc::new(Sqlite::open(file).await.map_err(|error| unusable(&error))?);
        let bus = carrier.connect(Role::Server)?;
        let database = Database::File(Arc::clone(&store));
        Ok(Self { store, bus, database })
    }

    /// Waits until the database can be used.
    ///
    /// # Errors
    /// Where waiting does not help.
    pub(crate) async fn prepare(&self) -> Result<(), Failure> {
        match &self.database {
            Database::Server { store, migrate } => {
                store.prepare(*migrate).await.map_err(|error| unready(&error))
            }
            Database::File(_) => Ok(()),
        }
    }

    /// Disconnects; what is asked afterwards fails.
    pub(crate) async fn close(&self) {
        self.bus.close().await;
        match &self.database {
            Database::Server { store, .. } => store.close().await,
            Database::File(store) => store.close().await,
        }
    }
}

impl Carrier {
    /// A RabbitMQ where one is named.
    pub(crate) fn of(url: Option<ServerUrl>) -> Self {
        url.map_or_else(|| Self::Within(Broker::new()), Self::Server)
    }

    /// Connects the orchestrator, or a participant.
    pub(crate) fn connect(&self, role: Role) -> Result<Arc<dyn Bus>, Failure> {
        match self {
            Self::Within(broker) => Ok(Arc::new(broker.connect(role))),
            Self::Server(url) => amqp(url, role, "correct `--amqp`"),
        }
    }
}

fn amqp(url: &ServerUrl, role: Role, hint: &str) -> Result<Arc<dyn Bus>, Failure> {
    let name = match &role {
        Role::Server => "saga".to_owned(),
        Role::Participant(name) => name.to_string(),
    };
    let options = saga_bus::Options { url: url.reveal().to_owned(), role, name };
    let bus =
        Amqp::start(options).map_err(|error| Failure::cannot(error.to_string()).hint(hint))?;
    Ok(Arc::new(bus))
}

/// Brings the orchestrator's schema on Postgres up to date, once, without waiting for a database
/// that is away.
pub(crate) async fn migrate(database: &settings::Database) -> Result<(), Failure> {
    // What a database may lose is for whoever serves from it to judge.
    let options = saga_store::Options { connections: 1, allow_unsafe: true };
    let store = open_store(database, options)?;
    store.migrate().await.map_err(|error| unready(&error))
}

/// Does not connect yet.
fn open_store(
    database: &settings::Database,
    options: saga_store::Options,
) -> Result<Postgres, Failure> {
    Postgres::open(database.database_url.reveal(), options).map_err(|error| unready(&error))
}

/// What a database that cannot be served from means for the exit status. What it says names the way
/// out.
fn unready(error: &Unready) -> Failure {
    match error {
        Unready::Away(_) => Failure::cannot(error.to_string())
            .hint("start it, or name another with `--database-url` or `DATABASE_URL`"),
        Unready::BadUrl(_) => Failure::cannot(error.to_string()),
        _ => Failure::no(error.to_string()),
    }
}

fn unusable(error: &Unusable) -> Failure {
    let hint = match error {
        Unusable::Newer { .. } => "or begin anew with `--reset`, which forgets everything in it",
        Unusable::Foreign { .. } | Unusable::Failed { .. } => "name another folder with `--data`",
    };
    Failure::no(error.to_string()).hint(hint)
}
