//! Commits and written rows, as Postgres counts them. A backend's figures are whole only once it
//! has ended: so nobody may be connected when they are read.

use std::{ops::Sub, time::Duration};

use anyhow::{Context, Result};
use lab::{Database, Lab, wait};
use sqlx::{Connection, PgConnection};

/// Backends end as soon as their client has.
const GONE_MAX: Duration = Duration::from_secs(30);

/// What was done in one database so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rows {
    /// Transactions that committed.
    pub(crate) commits: u64,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    /// Updates of `saga.saga`.
    pub(crate) saga_updated: u64,
    /// Those of them that touched no index.
    pub(crate) saga_updated_hot: u64,
}

impl Rows {
    /// Rows that were written.
    pub(crate) fn written(self) -> u64 {
        self.inserted + self.updated + self.deleted
    }

    fn from_tables(counts: [i64; 5]) -> Self {
        let [inserted, updated, deleted, saga_updated, saga_updated_hot] =
            counts.map(|count| u64::try_from(count).unwrap_or(0));
        Self { commits: 0, inserted, updated, deleted, saga_updated, saga_updated_hot }
    }
}

impl Sub for Rows {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            commits: self.commits.saturating_sub(before.commits),
            inserted: self.inserted.saturating_sub(before.inserted),
            updated: self.updated.saturating_sub(before.updated),
            deleted: self.deleted.saturating_sub(before.deleted),
            saga_updated: self.saga_updated.saturating_sub(before.saga_updated),
            saga_updated_hot: self.saga_updated_hot.saturating_sub(before.saga_updated_hot),
        }
    }
}

/// What was done in a database so far, in our own tables; waits until nobody is connected to it.
///
/// # Errors
/// When somebody stays, or the database cannot be asked.
pub(crate) async fn rows(lab: &Lab, database: &Database) -> Result<Rows> {
    everybody_gone(lab, database).await?;
    let tables = in_tables(database).await?;
    // We were there too.
    everybody_gone(lab, database).await?;
    let name = &database.name;
    let sql = format!("select xact_commit from pg_stat_database where datname = '{name}'");
    let commits = lab.admin(&sql).await?;
    let commits = commits.parse().context("the database does not count its commits")?;
    Ok(Rows { commits, ..tables })
}

async fn in_tables(database: &Database) -> Result<Rows> {
    let sql = "select coalesce(sum(n_tup_ins), 0)::bigint, coalesce(sum(n_tup_upd), 0)::bigint,
            coalesce(sum(n_tup_del), 0)::bigint,
            coalesce(sum(n_tup_upd) filter (where schemaname = 'saga' and relname = 'saga'),
                0)::bigint,
            coalesce(sum(n_tup_hot_upd) filter (where schemaname = 'saga' and relname = 'saga'),
                0)::bigint
        from pg_stat_user_tables";
    let mut connection = PgConnection::connect(&database.url).await?;
    let (inserted, updated, deleted, saga, hot) =
        sqlx::query_as(sql).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(Rows::from_tables([inserted, updated, deleted, saga, hot]))
}

/// Waits until nobody is connected to a database: then everything that was done there is counted.
///
/// # Errors
/// When somebody stays.
pub(crate) async fn everybody_gone(lab: &Lab, database: &Database) -> Result<()> {
    let name = &database.name;
    // Whoever cleans up comes and goes by himself.
    let sql = format!(
        "select count(*) from pg_stat_activity
        where datname = '{name}' and backend_type = 'client backend'"
    );
    let gone = async || (lab.admin(&sql).await.ok()? == "0").then_some(());
    wait::until("the product's connections to end", GONE_MAX, gone).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_between_two_looks() {
        let before = Rows { commits: 7, ..Rows::from_tables([1, 2, 3, 1, 1]) };
        let after = Rows { commits: 10, ..Rows::from_tables([11, 22, 3, 5, 4]) };
        let done = after - before;
        let expected = Rows {
            commits: 3,
            inserted: 10,
            updated: 20,
            deleted: 0,
            saga_updated: 4,
            saga_updated_hot: 3,
        };
        assert_eq!((done, done.written()), (expected, 30));
        // A server that was started anew counts from nothing.
        assert_eq!(before - after, Rows::default());
        assert_eq!(Rows::from_tables([-1; 5]), Rows::default());
    }
}
