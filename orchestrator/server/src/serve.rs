//! `saga serve` and `saga migrate`: the composition root. The one file that names concrete adapters
//! and puts the orchestrator together; it decides what begins when, and what ends when.
//!
//! The API listens before database and broker are there: `/healthz` says that the process lives,
//! `/readyz` what it waits for. Ending goes the other way round: first requests, then the loops,
//! then the connections.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use saga_bus::{Amqp, Bus, Role};
use saga_engine::{Definitions, Engine, Random, definitions::LoadError};
use saga_runtime::{
    Shutdown,
    failpoint::{self, Point},
};
use saga_store::{Postgres, Unready};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{Failure, Status},
    http, logs,
    reload::Reloads,
    settings,
};

/// Connections of the database: two transactions of starts and four of replies are in flight at
/// once, one each of due and of late looks; the rest reads for the API.
const CONNECTIONS: u32 = 16;
/// Before definitions that could not be kept are tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The orchestrator, put together.
struct Orchestrator {
    store: Arc<Postgres>,
    bus: Arc<dyn Bus>,
    definitions: Arc<Definitions>,
    engine: Engine,
    reloads: Reloads,
    migrate: bool,
}

/// Serves until told to end: once in order, twice at once.
pub(crate) async fn run(settings: settings::Serve) -> Result<Status, Failure> {
    logs::start(&settings.logs);
    settings.check()?;
    settings.arm();
    let shutdown =
        Shutdown::listen().map_err(|error| Failure::cannot(format!("cannot start: {error:#}")))?;
    let listener = listen(settings.listen).await?;
    let orchestrator = Orchestrator::open(&settings)?;
    if settings.is_public() {
        tracing::warn!(
            listen = %settings.listen,
            "THERE IS NO AUTHENTICATION, and others than this machine can reach the API: whoever \
             does can start and cancel sagas; listen on 127.0.0.1, or let a proxy guard it"
        );
    }
    tokio::select! {
        biased;
        () = shutdown.now.cancelled() => Ok(Status::Done),
        ended = orchestrator.serve(listener, &shutdown.drain) => ended,
    }
}

/// Takes the port before anything else happens, so that a mistake shows at once.
async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            ErrorKind::AddrInUse => "another program has this port: end it, or choose another",
            ErrorKind::PermissionDenied => "ports below 1024 are for the superuser: choose another",
            _ => "choose an address of this machine",
        };
        Failure::cannot(format!("cannot listen on `{address}`: {error}"))
            .hint(format!("{hint} with `--listen` or `SAGA_LISTEN`"))
    })
}

impl Orchestrator {
    /// Opens everything. Neither database nor broker need be there.
    fn open(settings: &settings::Serve) -> Result<Self, Failure> {
        // Before anything is loaded, so that no change of files is missed.
        let reloads = Reloads::listen(&settings.defs)?;
        let definitions = Arc::new(Definitions::load(&settings.defs)?);
        let (broker, database) = (&settings.amqp_url, &settings.database.database_url);
        let options = saga_store::Options {
            connections: CONNECTIONS,
            allow_unsafe: settings.allow_unsafe_db,
        };
        let store = Arc::new(open_store(&settings.database, options)?);
        let options = saga_bus::Options {
            url: broker.reveal().to_owned(),
            role: Role::Server,
            name: "saga".to_owned(),
        };
        let bus = Amqp::start(options).map_err(|error| {
            Failure::cannot(error.to_string()).hint("correct `--amqp-url` or `AMQP_URL`")
        })?;
        let bus: Arc<dyn Bus> = Arc::new(bus);
        let engine = Engine::new(
            Arc::<Postgres>::clone(&store),
            Arc::clone(&bus),
            Arc::clone(&definitions),
            Arc::new(Random),
        );
        let count = definitions.served().all().count();
        tracing::info!(
            listen = %settings.listen, %broker, %database, definitions = count, "starting"
        );
        Ok(Self { store, bus, definitions, engine, reloads, migrate: settings.migrate })
    }

    /// Serves requests at once and drives sagas as soon as the database is ready, until `drain`.
    async fn serve(
        self,
        listener: TcpListener,
        drain: &CancellationToken,
    ) -> Result<Status, Failure> {
        let serving = tokio::spawn(http::serve(listener, self.engine.clone(), drain.clone()));
        let prepared = tokio::select! {
            biased;
            () = drain.cancelled() => None,
            prepared = self.prepare() => Some(prepared),
        };
        let ended = match prepared {
            Some(Ok(())) => drive(&self.engine, self.reloads, serving).await,
            Some(Err(failure)) => Err(failure),
            None => Ok(()),
        };
        self.bus.close().await;
        self.store.close().await;
        tracing::info!("ended");
        ended.map(|()| Status::Done)
    }

    /// Waits for the database, and keeps in it what sagas will follow.
    async fn prepare(&self) -> Result<(), Failure> {
        loop {
            self.store.prepare(self.migrate).await.map_err(|error| unready(&error))?;
            failpoint::pass(Point::BootMigrated);
            match self.definitions.publish(&*self.store).await {
                Ok(()) => return Ok(()),
                Err(saga_store::Error::Permanent(reason)) => {
                    return Err(Failure::no(format!("cannot keep the definitions: {reason}")));
                }
                Err(error) => tracing::warn!(error = %error, "waiting for the database"),
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}

/// Drives sagas for as long as requests are served, and then lets the loops end.
async fn drive(
    engine: &Engine,
    reloads: Reloads,
    serving: JoinHandle<io::Result<()>>,
) -> Result<(), Failure> {
    tracing::info!("serving");
    let stop = CancellationToken::new();
    let requests = async {
        let served = serving.await;
        stop.cancel();
        served
    };
    match tokio::join!(engine.run(stop.clone()), reloads.run(engine, &stop), requests) {
        ((), (), Ok(Ok(()))) => Ok(()),
        ((), (), Ok(Err(error))) => Err(Failure::cannot(format!("cannot serve: {error}"))),
        ((), (), Err(error)) => Err(Failure::cannot(format!("the API ended: {error}"))),
    }
}

/// Brings the orchestrator's schema up to date, once, without waiting for a database that is away.
pub(crate) async fn migrate(settings: &settings::Migrate) -> Result<Status, Failure> {
    logs::start(&settings.logs);
    settings.database.check()?;
    // What a database may lose is for whoever serves from it to judge.
    let options = saga_store::Options { connections: 1, allow_unsafe: true };
    let store = open_store(&settings.database, options)?;
    store.migrate().await.map_err(|error| unready(&error))?;
    tracing::info!(database = %settings.database.database_url, "the schema is up to date");
    Ok(Status::Done)
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

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Wrong(wrong) => Self::no("the definitions are wrong")
                .details(wrong.iter().map(ToString::to_string).collect())
                .hint("`saga check` checks them without starting anything"),
            error @ LoadError::Unreadable { .. } => Self::no(error.to_string())
                .hint("name the folder of the definitions with `--defs` or `SAGA_DEFS`"),
            error @ (LoadError::Empty(_) | LoadError::Conflict(_)) => Self::no(error.to_string()),
        }
    }
}
