//! The store on Postgres. In reading order: sessions and the schema, the transaction helper, what
//! errors mean; then starting, changing, keeping, reading,
//! lists, versions, letters.

mod change;
mod error;
mod keep;
mod letters;
mod list;
mod read;
mod rows;
mod schema;
mod session;
mod stamp;
mod start;
mod transaction;
mod unready;
mod versions;

use std::time::Duration;

use async_trait::async_trait;
use saga_protocol::{SagaId, Timestamp};
use sqlx::{Connection, PgPool, postgres::PgConnectOptions};
use uuid::Uuid;

pub use self::unready::Unready;
use crate::{
    Claim, Closure, DeadLetter, DeadLetterRow, Decide, DefinitionRow, Error, Filter, InFlight,
    JournalRow, Letters, Page, Paged, Postpone, Row, Sideline, Start, Started, Store, Version,
    Versions,
};
use saga_runtime::Delays;

/// How long a caller waits for an answer, from whatever is between us and the server. The server
/// ends what it hears of much sooner: what takes longer than this is not coming.
const ANSWER_MAX: Duration = Duration::from_secs(20);

/// How long a read may take: a connection and a statement of the longest kind, and the way there
/// and back. Nothing is in doubt after it, so there is no reason to wait for longer.
const READ_MAX: Duration = Duration::from_secs(8);

/// A store on Postgres.
#[derive(Clone, Debug)]
pub struct Postgres {
    pool: PgPool,
    connect: PgConnectOptions,
    allow_unsafe: bool,
}

/// How to use a database.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Connections at most.
    pub connections: u32,
    /// Serve from a database that can lose what it confirmed, too.
    pub allow_unsafe: bool,
}

impl Postgres {
    /// A store that connects when it is first used.
    ///
    /// # Errors
    /// [`Unready::BadUrl`].
    pub fn open(url: &str, options: Options) -> Result<Self, Unready> {
        let connect = session::connect_options(url)?;
        let pool = session::pool(connect.clone(), options.connections);
        Ok(Self { pool, connect, allow_unsafe: options.allow_unsafe })
    }

    /// Brings the schema up to date. Idempotent; many processes may call it at once.
    ///
    /// # Errors
    /// [`Unready`]: the database is away, or a newer binary was here.
    pub async fn migrate(&self) -> Result<(), Unready> {
        schema::migrate(&self.connect).await
    }

    /// Checks that the server keeps what it confirms, and that the schema is the one this binary
    /// knows.
    ///
    /// # Errors
    /// [`Unready`], with the way out.
    pub async fn check(&self) -> Result<(), Unready> {
        let mut connection = session::connect(&self.connect).await?;
        session::check_server(&mut connection, self.allow_unsafe).await?;
        schema::check(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Waits for a database that is away, migrates it where asked to, and checks it. May be given
    /// up at any time.
    ///
    /// # Errors
    /// [`Unready`] where waiting does not help.
    pub async fn prepare(&self, migrate: bool) -> Result<(), Unready> {
        let mut delays = Delays::new();
        loop {
            let migrated = if migrate { self.migrate().await } else { Ok(()) };
            let error = match migrated {
                Ok(()) => match self.check().await {
                    Ok(()) => return Ok(()),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if !error.can_wait() {
                return Err(error);
            }
            tracing::warn!(error = %error, "waiting for the database");
            delays.wait().await;
        }
    }

    /// Closes all connections; what is asked afterwards fails.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

#[async_trait]
impl Store for Postgres {
    async fn start(&self, starts: Vec<Start>) -> Result<Vec<Started>, Error> {
        writing(start::start(&self.pool, &starts)).await
    }

    async fn transact(&self, claim: Claim, decide: Decide<'_>) -> Result<(), Error> {
        writing(change::transact(&self.pool, claim, decide)).await
    }

    async fn postpone(&self, wakes: &[Postpone]) -> Result<(), Error> {
        writing(keep::postpone(&self.pool, wakes)).await
    }

    async fn sideline(&self, sideline: &Sideline) -> Result<(), Error> {
        writing(keep::sideline(&self.pool, sideline)).await
    }

    async fn get(&self, ids: &[SagaId]) -> Result<Vec<Row>, Error> {
        reading(read::get(&self.pool, ids)).await
    }

    async fn find(&self, definition: &str, key: &str) -> Result<Option<Row>, Error> {
        reading(read::find(&self.pool, definition, key)).await
    }

    async fn list(&self, filter: &Filter, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        reading(list::list(&self.pool, filter, page)).await
    }

    async fn unended(&self, page: &Page<SagaId>) -> Result<Paged<Row>, Error> {
        reading(list::unended(&self.pool, page)).await
    }

    async fn waking(&self, page: &Page<(Timestamp, SagaId)>) -> Result<Paged<Row>, Error> {
        reading(list::waking(&self.pool, page)).await
    }

    async fn journal(&self, id: SagaId, page: &Page<i64>) -> Result<Vec<JournalRow>, Error> {
        reading(read::journal(&self.pool, id, page)).await
    }

    async fn put_definitions(&self, definitions: &[DefinitionRow]) -> Result<(), Error> {
        writing(keep::put_definitions(&self.pool, definitions)).await
    }

    async fn definitions(&self, hashes: &[String]) -> Result<Vec<DefinitionRow>, Error> {
        reading(read::definitions(&self.pool, hashes)).await
    }

    async fn versions(&self, which: &Versions) -> Result<Vec<Version>, Error> {
        reading(versions::versions(&self.pool, which)).await
    }

    async fn in_flight(&self) -> Result<Vec<InFlight>, Error> {
        reading(versions::in_flight(&self.pool)).await
    }

    async fn park(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        writing(letters::park(&self.pool, letters)).await
    }

    async fn letters(
        &self,
        which: Letters,
        page: &Page<(Timestamp, Uuid)>,
    ) -> Result<Paged<DeadLetterRow>, Error> {
        reading(letters::list(&self.pool, which, page)).await
    }

    async fn letter(&self, id: Uuid) -> Result<Option<DeadLetterRow>, Error> {
        reading(letters::get(&self.pool, id)).await
    }

    async fn close_letter(&self, id: Uuid, closure: &Closure) -> Result<bool, Error> {
        writing(letters::close(&self.pool, id, closure)).await
    }

    async fn maintain(&self) -> Result<(), Error> {
        writing(keep::maintain(&self.pool)).await
    }

    async fn now(&self) -> Result<Timestamp, Error> {
        reading(read::now(&self.pool)).await
    }
}

/// Waits for something that writes nothing.
async fn reading<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(READ_MAX, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::Transient(format!("no answer within {READ_MAX:?}"))),
    }
}

/// Waits for something that may have been written when the answer does not come.
async fn writing<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER_MAX, work).await {
        Ok(done) => done,
        Err(_) => Err(Error::Unknown(format!("no answer within {ANSWER_MAX:?}"))),
    }
}
