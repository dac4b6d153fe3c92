//! What work cost, as the servers count it themselves: commits of a database, messages of the
//! broker.

use std::time::Duration;

use anyhow::{Context, Result};
use lab::{Lab, wait};

/// Backends end as soon as their client has; the figures of a backend are whole only then.
const GONE_MAX: Duration = Duration::from_secs(30);

/// Commits so far in a database. Not whole while somebody is connected to it.
pub(crate) async fn commits(lab: &Lab, database: &str) -> Result<u64> {
    let sql = format!("select xact_commit from pg_stat_database where datname = '{database}'");
    lab.admin(&sql).await?.parse().context("the database does not count its commits")
}

/// Waits until nobody is connected to a database: then everything that was done there is counted.
pub(crate) async fn everybody_gone(lab: &Lab, database: &str) -> Result<()> {
    let sql = format!("select count(*) from pg_stat_activity where datname = '{database}'");
    let gone = async || (lab.admin(&sql).await.ok()? == "0").then_some(());
    wait::until("the product's connections to end", GONE_MAX, gone).await
}

/// Messages that the broker has received so far, from everybody; `None` where it cannot be asked.
pub(crate) async fn messages(lab: &Lab) -> Option<u64> {
    const COUNTED: &str = "maps:get(messages_received_total, \
        maps:get([{protocol,amqp091}], rabbit_global_counters:overview())).";
    lab.rabbitmqctl(&["eval", COUNTED]).await.ok()?.trim().parse().ok()
}
