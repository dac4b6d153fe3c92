//! `saga migrate`: brings the orchestrator's schema up to date, once, without waiting for a
//! database that is away.

use saga_store::{Options, Postgres};

use crate::{
    cli::{Failure, Status},
    logs, serve, settings,
};

/// Brings it up to date.
pub(crate) async fn run(settings: &settings::Migrate) -> Result<Status, Failure> {
    logs::start(&settings.logs);
    settings.database.check()?;
    let url = &settings.database.database_url;
    // What a database may lose is for whoever serves from it to judge.
    let options = Options { connections: 1, allow_unsafe: true };
    let store = Postgres::open(url.reveal(), options).map_err(|error| serve::unready(&error))?;
    store.migrate().await.map_err(|error| serve::unready(&error))?;
    tracing::info!(database = %url, "the schema is up to date");
    Ok(Status::Done)
}
