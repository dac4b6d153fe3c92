//! What one saga's parts take by themselves, with nothing else running: what its latency is held
//! against.

use std::time::{Duration, Instant};

use anyhow::Result;
use lab::Lab;
use sqlx::{Connection, PgConnection};

use crate::{
    cli::output,
    figures::median_ms,
    order::{COMMITS_MIN, MESSAGES_MIN, PARTICIPANT_COMMITS_MIN},
    raw::{self, Sample},
    report::Floor,
};

/// Of each, one after the other.
const MEASURED: usize = 300;
/// Before that, not counted.
const WARM_UP: usize = 50;
/// Whose queue is published to.
const PARTICIPANT: &str = "payment";

/// Measures. Stand-ins for participants commit nothing.
///
/// # Errors
/// When broker or database do not do as they are asked.
pub(crate) async fn measure(lab: &Lab, engine_only: bool) -> Result<Floor> {
    output::progress("one commit, and one confirmed message, with nothing else running");
    let insert_commit_ms = median_ms(commits(lab).await?);
    let confirmed_publish_ms = median_ms(publishes(lab).await?);
    let theirs = if engine_only { 0 } else { PARTICIPANT_COMMITS_MIN };
    let commits = COMMITS_MIN + theirs;
    Ok(Floor {
        insert_commit_ms,
        confirmed_publish_ms,
        commits,
        messages: MESSAGES_MIN,
        floor_ms: f64::from(commits) * insert_commit_ms
            + f64::from(MESSAGES_MIN) * confirmed_publish_ms,
        saga_p50_ms: None,
    })
}

/// Each one statement that is a transaction of its own.
async fn commits(lab: &Lab) -> Result<Vec<Duration>> {
    let database = lab.database().await?;
    let mut connection = PgConnection::connect(&database.url).await?;
    let table =
        "create table floor (id bigint generated always as identity primary key, body text)";
    sqlx::query(table).execute(&mut connection).await?;
    let body = Sample::command()?.body;
    let body = String::from_utf8_lossy(&body);
    let mut lengths = Vec::new();
    for _ in 0..WARM_UP + MEASURED {
        let began = Instant::now();
        let insert = sqlx::query("insert into floor (body) values ($1)").bind(body.as_ref());
        insert.execute(&mut connection).await?;
        lengths.push(began.elapsed());
    }
    connection.close().await?;
    Ok(lengths.split_off(WARM_UP))
}

async fn publishes(lab: &Lab) -> Result<Vec<Duration>> {
    let vhost = lab.vhost().await?;
    let connection = raw::connect(&vhost.url).await?;
    let queue = raw::command_queue(PARTICIPANT)?;
    raw::declare(&connection, std::slice::from_ref(&queue)).await?;
    let channel = raw::publisher(&connection).await?;
    let sample = Sample::command()?;
    let mut lengths = Vec::new();
    for _ in 0..WARM_UP + MEASURED {
        let began = Instant::now();
        raw::is_confirmed(raw::send(&channel, &queue, PARTICIPANT, &sample).await?).await?;
        lengths.push(began.elapsed());
    }
    drop(connection);
    lab.rabbitmqctl(&["delete_vhost", &vhost.name]).await?;
    Ok(lengths.split_off(WARM_UP))
}
