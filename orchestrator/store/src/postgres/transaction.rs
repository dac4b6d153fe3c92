//! The one place that begins and commits. A transaction that is not brought to its end, because of
//! a panic or a caller that goes away in the middle, takes its connection with it: nothing is left
//! open in the pool.

use sqlx::{Executor, PgConnection, PgPool, Postgres, pool::PoolConnection};

use super::error::{before_commit, in_commit};
use crate::Error;

/// A transaction, READ COMMITTED.
pub(super) struct Transaction {
    connection: PoolConnection<Postgres>,
    is_over: bool,
}

impl Transaction {
    pub(super) async fn begin(pool: &PgPool) -> Result<Self, Error> {
        let connection = acquire(pool).await?;
        // From here on dropping this future closes the connection: sqlx would put it back with a
        // transaction open.
        let mut transaction = Self { connection, is_over: false };
        transaction.connection().execute("begin").await.map_err(before_commit)?;
        Ok(transaction)
    }

    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Commits where the work succeeded; else rolls back, so that nothing is locked any more when
    /// the error is heard of.
    ///
    /// The statement before the commit fails where an earlier error was swallowed: Postgres would
    /// answer the commit of such a transaction with a rollback, and sqlx would call that a success.
    pub(super) async fn end<T>(mut self, work: Result<T, Error>) -> Result<T, Error> {
        match work {
            Ok(done) => {
                self.connection().execute("select 1; commit").await.map_err(in_commit)?;
                self.is_over = true;
                Ok(done)
            }
            Err(error) => {
                let rolled_back = self.connection().execute("rollback").await.is_ok();
                // What was away for a moment may have come back as a standby: connect anew.
                self.is_over = rolled_back && !matches!(error, Error::Transient(_));
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

/// A connection for one statement. Whatever stands against it, it has nothing to do with what is
/// asked.
pub(super) async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, Error> {
    pool.acquire().await.map_err(|error| Error::Transient(error.to_string()))
}

#[cfg(test)]
mod tests {
    use lab::Lab;

    use super::*;

    #[tokio::test]
    async fn a_swallowed_error_cannot_be_committed() {
        let database = Lab::from_env().unwrap().database().await.unwrap();
        let pool = PgPool::connect(&database.url).await.unwrap();
        pool.execute("create table kept (it text)").await.unwrap();
        let mut transaction = Transaction::begin(&pool).await.unwrap();
        transaction.connection().execute("insert into kept values ('it')").await.unwrap();
        let _swallowed = transaction.connection().execute("select 1 / 0").await;
        assert!(matches!(transaction.end(Ok(())).await, Err(Error::Permanent(_))));
        let kept: i64 =
            sqlx::query_scalar("select count(*) from kept").fetch_one(&pool).await.unwrap();
        assert_eq!(kept, 0);
    }
}
