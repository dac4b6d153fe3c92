//! SQLite: a file of the participant's own, with one connection, since it takes one writer at a
//! time.

use std::{path::Path, time::Duration};

use anyhow::{bail, ensure};
use sqlx::{
    SqlitePool,
    error::DatabaseError,
    sqlite::{
        SqliteConnectOptions, SqliteError, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
    },
};

use super::Class;
use crate::participant::WITHIN;

/// How long one waits for our connection, and that for another process on the file. Whoever has it
/// may take as long as a handler may, and there are statements before and after that.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(WITHIN.as_secs() + 30);

/// Does not connect yet; the file is made where it is missing. `path` is what follows `sqlite:`,
/// taken as it is.
pub(super) fn pool(path: &str) -> anyhow::Result<SqlitePool> {
    let path = path.strip_prefix("//").unwrap_or(path);
    ensure!(
        !path.is_empty() && path != ":memory:",
        "`DATABASE_URL` names no file, but what a participant has done must outlive it: say \
         `sqlite:path`"
    );
    ensure!(
        !path.contains('?') && !path.starts_with("file:"),
        "`DATABASE_URL` takes no options for SQLite: say `sqlite:path`, without `?` and `file:`"
    );
    let folder = Path::new(path).parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!("there is no folder `{}` for the database; make it", folder.display());
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        // Whoever looks into the file while we write is not in our way, nor we in his.
        .journal_mode(SqliteJournalMode::Wal)
        // A commit is on the disk before it is answered; less would do for a crash of the process
        // alone.
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(WAIT_MAX);
    let pool = SqlitePoolOptions::new().max_connections(1).acquire_timeout(WAIT_MAX);
    Ok(pool.connect_lazy_with(options))
}

/// What can be done about what the library said. Codes are its result codes: the primary one is in
/// the lowest byte.
pub(super) fn class(error: &SqliteError) -> Class {
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    match code.map(|code| code & 0xff) {
        // Busy, locked, protocol: another connection is at the file.
        Some(5 | 6 | 15) => Class::Conflict,
        // Out of memory, input or output failed, full, cannot open.
        Some(7 | 10 | 13 | 14) => Class::Unavailable,
        Some(_) | None => Class::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use lab::Folder;
    use sqlx::{ConnectOptions, Executor, SqliteConnection};

    use super::*;
    use crate::database;

    async fn said(connection: &mut SqliteConnection, sql: &'static str) -> Class {
        database::class(&connection.execute(sql).await.unwrap_err())
    }

    #[tokio::test]
    async fn errors_say_what_can_be_done() {
        let folder = Folder::create().unwrap();
        let path = folder.path().join("a.db");
        let options = SqliteConnectOptions::new().create_if_missing(true).filename(&path);
        let options = options.busy_timeout(Duration::ZERO);
        let mut first = options.connect().await.unwrap();
        let mut second = options.connect().await.unwrap();
        first.execute("create table a (it text primary key); begin immediate").await.unwrap();
        assert_eq!(said(&mut second, "begin immediate").await, Class::Conflict);
        first.execute("rollback").await.unwrap();

        second.execute("pragma max_page_count = 5").await.unwrap();
        let much = "insert into a values (hex(zeroblob(100000)))";
        assert_eq!(said(&mut second, much).await, Class::Unavailable, "full");
        let twice = "insert into a values ('it'), ('it')";
        assert_eq!(said(&mut second, twice).await, Class::Permanent);
        assert_eq!(said(&mut second, "select it from b").await, Class::Permanent);
        let no_file = options.filename(folder.path()).connect().await.unwrap_err();
        assert_eq!(database::class(&no_file), Class::Unavailable, "cannot open");
    }
}
