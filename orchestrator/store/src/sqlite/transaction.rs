//! The one place that begins and commits. A transaction that is not brought to its end, because of
//! a panic or a caller that goes away in the middle, takes its connection with it: nothing is left
//! open in the pool.

use std::{os::unix::fs::MetadataExt, path::PathBuf};

use sqlx::{Executor, Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection};

use super::error::{before_commit, in_commit};
use crate::Error;

/// The connection that writes, and the file that it has open.
#[derive(Clone)]
pub(super) struct Writer {
    pub(super) pool: SqlitePool,
    pub(super) path: PathBuf,
    pub(super) inode: u64,
}

impl Writer {
    /// What is written to a file that was removed is gone once it is closed.
    fn check(&self) -> Result<(), Error> {
        let there = std::fs::metadata(&self.path).is_ok_and(|file| file.ino() == self.inode);
        match there {
            true => Ok(()),
            false => Err(Error::Transient(format!(
                "`{}` was removed or replaced: put it back, or start again",
                self.path.display()
            ))),
        }
    }
}

/// A transaction that may write from its beginning, and waits for nobody afterwards.
pub(super) struct Transaction {
    connection: PoolConnection<Sqlite>,
    is_over: bool,
}

impl Transaction {
    pub(super) async fn begin(writer: &Writer) -> Result<Self, Error> {
        writer.check()?;
        Self::on(&writer.pool).await
    }

    /// Whatever file it has open.
    pub(super) async fn on(pool: &SqlitePool) -> Result<Self, Error> {
        let connection = pool.acquire().await.map_err(before_commit)?;
        // From here on dropping this future closes the connection.
        let mut transaction = Self { connection, is_over: false };
        transaction.connection().execute("begin immediate").await.map_err(before_commit)?;
        Ok(transaction)
    }

    pub(super) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Commits where the work succeeded; else rolls back, so that nothing is written when the error
    /// is heard of.
    pub(super) async fn end<T>(mut self, work: Result<T, Error>) -> Result<T, Error> {
        match work {
            Ok(done) => {
                self.connection().execute("commit").await.map_err(in_commit)?;
                self.is_over = true;
                Ok(done)
            }
            Err(error) => {
                self.is_over = self.connection().execute("rollback").await.is_ok();
                Err(error)
            }
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if !self.is_over {
            self.connection.close_on_drop();
        }
    }
}

/// Whether the file can be written to.
pub(super) async fn writable(writer: &Writer) -> Result<(), Error> {
    Transaction::begin(writer).await?.end(Ok(())).await
}
