//! The transaction that handlers write through, on either of the databases that a participant may
//! stand on.
//!
//! Business SQL is written once, in the subset that Postgres and SQLite share: `$n`, `on conflict
//! do nothing`, `returning`, conditional updates, `check`; no casts, arrays, JSON operators or
//! `now()`; whole numbers are `bigint`; names are unqualified. Postgres finds them by
//! `search_path`, which is the participant's schema; SQLite has a file for each participant.

use sqlx::{
    Executor, PgConnection, Postgres, Sqlite, pool::PoolConnection, postgres::PgArguments,
    query::Query, sqlite::SqliteArguments,
};

use crate::values::{Parameter, Row, Value};

/// A transaction of the participant's database. The SDK commits it together with the barrier's row.
///
/// A statement that failed, or that was not waited for, spoils it: it takes no other statement and
/// is not committed, whatever becomes of the error.
pub struct Tx {
    connection: Connection,
    state: State,
}

/// A connection that is ours until the transaction is over.
pub(crate) enum Connection {
    Postgres(PoolConnection<Postgres>),
    Sqlite(PoolConnection<Sqlite>),
}

/// What a participant stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Sqlite,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Every statement was done.
    Sound,
    /// One was begun and has not been done: it is under way, failed, or was not waited for.
    Spoiled,
    /// It was committed or rolled back.
    Over,
}

impl Tx {
    /// Begins one. On SQLite nobody else writes until it is over.
    ///
    /// Begun, committed and rolled back by statements of our own: sqlx counts its transactions, and
    /// a handler that ends the one it was given would put it out of step.
    pub(crate) async fn begin(connection: Connection) -> Result<Self, sqlx::Error> {
        // From here on dropping this future closes the connection: sqlx would put it back with a
        // transaction open.
        let mut tx = Self { connection, state: State::Sound };
        tx.run(match tx.kind() {
            Kind::Postgres => "begin",
            // At once for writing: one that began by reading would fail where another has written.
            Kind::Sqlite => "begin immediate",
        })
        .await?;
        Ok(tx)
    }

    /// Runs a statement; how many rows it inserted, updated or deleted.
    ///
    /// # Errors
    /// When the database refuses it. The transaction is of no use then.
    pub async fn execute(
        &mut self,
        sql: &'static str,
        args: &[&dyn Parameter],
    ) -> Result<u64, sqlx::Error> {
        let changed = match self.statement()? {
            Connection::Postgres(connection) => {
                on_postgres(sql, args).execute(&mut **connection).await?.rows_affected()
            }
            Connection::Sqlite(connection) => {
                on_sqlite(sql, args).execute(&mut **connection).await?.rows_affected()
            }
        };
        self.state = State::Sound;
        Ok(changed)
    }

    /// Runs a statement; the first row it returned.
    ///
    /// # Errors
    /// When the database refuses it. The transaction is of no use then.
    pub async fn fetch_optional(
        &mut self,
        sql: &'static str,
        args: &[&dyn Parameter],
    ) -> Result<Option<Row>, sqlx::Error> {
        let row = match self.statement()? {
            Connection::Postgres(connection) => {
                let row = on_postgres(sql, args).fetch_optional(&mut **connection).await?;
                row.map(Row::from)
            }
            Connection::Sqlite(connection) => {
                let row = on_sqlite(sql, args).fetch_optional(&mut **connection).await?;
                row.map(Row::from)
            }
        };
        self.state = State::Sound;
        Ok(row)
    }

    /// Runs a statement; all rows it returned.
    ///
    /// # Errors
    /// When the database refuses it. The transaction is of no use then.
    pub async fn fetch_all(
        &mut self,
        sql: &'static str,
        args: &[&dyn Parameter],
    ) -> Result<Vec<Row>, sqlx::Error> {
        let rows = match self.statement()? {
            Connection::Postgres(connection) => {
                let rows = on_postgres(sql, args).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::from).collect()
            }
            Connection::Sqlite(connection) => {
                let rows = on_sqlite(sql, args).fetch_all(&mut **connection).await?;
                rows.into_iter().map(Row::from).collect()
            }
        };
        self.state = State::Sound;
        Ok(rows)
    }

    /// Runs a script: any number of statements.
    pub(crate) async fn run(&mut self, script: &'static str) -> Result<(), sqlx::Error> {
        match self.statement()? {
            Connection::Postgres(connection) => {
                connection.execute(script).await?;
            }
            Connection::Sqlite(connection) => {
                connection.execute(script).await?;
            }
        }
        self.state = State::Sound;
        Ok(())
    }

    /// The native connection, for a participant that runs on Postgres only.
    #[must_use]
    pub fn postgres(&mut self) -> Option<&mut PgConnection> {
        match &mut self.connection {
            Connection::Postgres(connection) => Some(connection),
            Connection::Sqlite(_) => None,
        }
    }

    /// What it is on.
    pub(crate) fn kind(&self) -> Kind {
        match &self.connection {
            Connection::Postgres(_) => Kind::Postgres,
            Connection::Sqlite(_) => Kind::Sqlite,
        }
    }

    /// Commits it, unless it is spoiled.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.run("commit").await?;
        self.state = State::Over;
        Ok(())
    }

    /// Rolls it back, also where it is spoiled.
    pub(crate) async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.state = State::Sound;
        self.run("rollback").await?;
        self.state = State::Over;
        Ok(())
    }

    /// The connection, for one statement: whoever has done it says so.
    fn statement(&mut self) -> Result<&mut Connection, sqlx::Error> {
        if self.state == State::Spoiled {
            let message = "an earlier statement of this transaction failed, or was not waited for";
            return Err(sqlx::Error::InvalidArgument(message.to_owned()));
        }
        self.state = State::Spoiled;
        Ok(&mut self.connection)
    }
}

impl Drop for Tx {
    /// One that was not brought to its end, because of a panic or a caller that went away, takes
    /// its connection with it: nothing is left open in the pool.
    fn drop(&mut self) {
        if self.state == State::Over {
            return;
        }
        match &mut self.connection {
            Connection::Postgres(connection) => connection.close_on_drop(),
            Connection::Sqlite(connection) => connection.close_on_drop(),
        }
    }
}

fn on_postgres(
    sql: &'static str,
    args: &[&dyn Parameter],
) -> Query<'static, Postgres, PgArguments> {
    args.iter().fold(sqlx::query(sql), |query, arg| match arg.value() {
        Value::Integer(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Boolean(value) => query.bind(value),
        Value::Uuid(value) => query.bind(value),
    })
}

fn on_sqlite(
    sql: &'static str,
    args: &[&dyn Parameter],
) -> Query<'static, Sqlite, SqliteArguments> {
    args.iter().fold(sqlx::query(sql), |query, arg| match arg.value() {
        Value::Integer(value) => query.bind(value),
        Value::Text(value) => query.bind(value),
        Value::Boolean(value) => query.bind(value),
        // Text, since people read these tables with the shell.
        Value::Uuid(value) => query.bind(value.map(uuid::Uuid::hyphenated)),
    })
}
