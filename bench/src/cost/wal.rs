//! The log that Postgres writes ahead: how many bytes of it are of which database. The server has
//! one log for all; `pg_walinspect`, which comes with it, tells them apart.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use lab::{Database, Lab};

use crate::cli::output;

/// What keeps the log from being recycled before it was looked at.
const SLOT: &str = "saga_bench";

/// The log from one place on.
pub(crate) struct Log {
    from: String,
}

impl Log {
    /// From here on; `None`, with a word about it, where the server does not let us look.
    pub(crate) async fn watch(lab: &Lab) -> Option<Self> {
        match Self::begin(lab).await {
            Ok(log) => Some(log),
            Err(error) => {
                output::progress(&format!("bytes of WAL are not told apart: {error:#}"));
                None
            }
        }
    }

    async fn begin(lab: &Lab) -> Result<Self> {
        lab.admin("create extension if not exists pg_walinspect").await?;
        let sql = format!("select pg_create_physical_replication_slot('{SLOT}', true)");
        lab.admin(&sql).await?;
        let from = lab.admin("select pg_current_wal_flush_lsn()").await?;
        Ok(Self { from })
    }

    /// The bytes since then, by the name of the database. A record belongs to the database whose
    /// block it changes, or else to that of its transaction's other records: a commit changes no
    /// block. What belongs to none, such as a checkpoint, has no name.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) async fn bytes(self, lab: &Lab) -> Result<BTreeMap<String, u64>> {
        let sql = format!(
            r"with record as materialized (
                select xid, record_length,
                    nullif((regexp_match(block_ref, 'rel \d+/(\d+)/'))[1], '0')::oid as database
                from pg_get_wal_records_info('{}', pg_current_wal_flush_lsn())
            ), owner as (
                select xid, max(database) as database from record
                where database is not null and xid <> '0'::xid group by xid
            )
            select coalesce(datname, ''), sum(record_length)
            from record left join owner using (xid)
                left join pg_database on oid = coalesce(record.database, owner.database)
            group by 1",
            self.from
        );
        let said = lab.admin(&sql).await;
        lab.admin(&format!("select pg_drop_replication_slot('{SLOT}')")).await?;
        parse(&said?)
    }
}

/// The bytes of one database.
pub(crate) fn of(bytes: &BTreeMap<String, u64>, database: &Database) -> u64 {
    bytes.get(&database.name).copied().unwrap_or(0)
}

/// Rows of a name and a number, as `psql` prints them.
fn parse(rows: &str) -> Result<BTreeMap<String, u64>> {
    let row = |row: &str| {
        let (name, bytes) = row.rsplit_once('|').context("two columns were asked for")?;
        Ok((name.to_owned(), bytes.parse().with_context(|| format!("no bytes: `{row}`"))?))
    };
    rows.lines().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_psql_are_read() {
        let read = parse("lab_1|1234\n|56\na|b|7").expect("they are whole");
        let expected = [("lab_1", 1234), ("", 56), ("a|b", 7)];
        assert_eq!(read, expected.map(|(name, bytes)| (name.to_owned(), bytes)).into());
        assert_eq!(parse("").expect("there is nothing"), BTreeMap::new());
        assert!(parse("lab_1").is_err() && parse("lab_1|").is_err());
    }
}
