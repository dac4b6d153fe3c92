//! Where the servers' programs are: Debian's places first, then `PATH`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::settings;

/// The programs of a RabbitMQ.
#[derive(Clone, Debug)]
pub(crate) struct RabbitPrograms {
    pub(crate) server: PathBuf,
    pub(crate) ctl: PathBuf,
    pub(crate) epmd: PathBuf,
}

/// The programs of a Postgres.
#[derive(Clone, Debug)]
pub(crate) struct PostgresPrograms {
    pub(crate) initdb: PathBuf,
    pub(crate) postgres: PathBuf,
    pub(crate) psql: PathBuf,
}

/// Debian's folder of the plain scripts: those in `PATH` are wrappers that insist on Debian's own
/// user and folders.
const RABBIT_FOLDER: &str = "/usr/lib/rabbitmq/bin";
/// Debian's folder of one Postgres per major version.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";

/// RabbitMQ, where it is installed.
pub(crate) fn rabbit() -> Option<RabbitPrograms> {
    let debian = Path::new(RABBIT_FOLDER);
    let find = |name| file(debian.join(name)).or_else(|| in_path(name));
    Some(RabbitPrograms {
        server: find("rabbitmq-server")?,
        ctl: find("rabbitmqctl")?,
        epmd: in_path("epmd")?,
    })
}

/// The newest Postgres that is installed.
pub(crate) fn postgres() -> Option<PostgresPrograms> {
    let versions = fs::read_dir(POSTGRES_FOLDER).into_iter().flatten().flatten();
    let mut folders: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    folders.sort();
    let debian =
        folders.into_iter().rev().map(|(_, folder)| folder).find_map(|folder| postgres_in(&folder));
    debian.or_else(|| postgres_in(in_path("initdb")?.canonicalize().ok()?.parent()?))
}

fn postgres_in(folder: &Path) -> Option<PostgresPrograms> {
    Some(PostgresPrograms {
        initdb: file(folder.join("initdb"))?,
        postgres: file(folder.join("postgres"))?,
        psql: file(folder.join("psql")).or_else(|| in_path("psql"))?,
    })
}

/// libfaketime, where it is installed: Debian has a folder of libraries for each architecture.
pub(crate) fn faketime() -> Option<PathBuf> {
    let folders = fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.into_iter().find_map(|folder| file(folder.join("faketime/libfaketime.so.1")))
}

/// The first program of this name in `PATH`, or in the folders of the superuser that some shells
/// leave out.
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
    let path = settings::path();
    let folders = path.split(':').chain(["/usr/local/sbin", "/usr/sbin", "/sbin"]);
    folders
        .filter(|folder| !folder.is_empty())
        .find_map(|folder| file(Path::new(folder).join(name)))
}

fn file(path: PathBuf) -> Option<PathBuf> {
    path.is_file().then_some(path)
}
