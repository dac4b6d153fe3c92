//! Looks: what the API says of the sagas at about one moment.

use std::time::Duration;

use saga_protocol::{Timestamp, limits};
use serde_json::value::RawValue;

use crate::cli::{
    Failure,
    client::Client,
    list::{ACTIVE, ENDED, Page},
    view::Saga,
};

/// Pages of one look, of those in flight and of those that ended each: 5 000 sagas, which even a
/// busy orchestrator does not begin between two looks.
pub(super) const PAGES_MAX: u32 = 25;
/// Sagas that one look sees of each.
pub(super) const SAGAS_MAX: u32 = PAGES_MAX * limits::PAGE_MAX;
/// How much later than a newer saga an older one may come to be seen: ids and times are drawn
/// before the commit.
pub(super) const LATE_MAX: Duration = Duration::from_secs(2);

/// A saga as a look found it.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) saga: Saga,
    /// What the API said of it.
    pub(super) document: Box<RawValue>,
}

/// What a look found. Those in flight are read first: a saga that ends meanwhile is found twice,
/// never not at all.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Those in flight, newest first.
    pub(super) active: Vec<Found>,
    /// There are more in flight.
    pub(super) more_active: bool,
    /// Those that ended and were created since the time that was asked for, newest first.
    pub(super) ended: Vec<Found>,
    /// There are more of those.
    pub(super) more_ended: bool,
}

/// Looks at everything in flight, and at what has ended of everything created since then; where no
/// time is named, of the newest.
pub(super) async fn since(client: &Client, since: Option<Timestamp>) -> Result<Look, Failure> {
    let (active, more_active) = pages(client, &ACTIVE, |_| false).await?;
    let mut since = since;
    let (ended, more_ended) = pages(client, &ENDED, |saga| {
        let newest = active.first().map_or(saga.created_at, |active| active.saga.created_at);
        let since = *since.get_or_insert(late(newest.max(saga.created_at)));
        saga.created_at < since
    })
    .await?;
    Ok(Look { active, more_active, ended, more_ended })
}

/// The newest sagas, those in flight first; and whether there are more in flight.
pub(super) async fn newest(client: &Client, number: u32) -> Result<(Vec<Saga>, bool), Failure> {
    let number = number.clamp(1, limits::PAGE_MAX);
    let page = page(client, &ACTIVE, number, None).await?;
    let more = page.next.is_some();
    let mut sagas = page.items;
    let room = number.saturating_sub(u32::try_from(sagas.len()).unwrap_or(number));
    if room > 0 {
        sagas.extend(self::page(client, &ENDED, room, None).await?.items);
    }
    let sagas = sagas.into_iter().map(|document| read(document).map(|found| found.saga));
    Ok((sagas.collect::<Result<_, _>>()?, more))
}

/// One saga.
pub(super) async fn one(client: &Client, id: &str) -> Result<Found, Failure> {
    let body = client.get(&["v1", "sagas", id], &[]).await?.body;
    read(RawValue::from_string(body).map_err(|error| not_understood(&error))?)
}

/// The time before which nothing new is seen any more, once a saga of this time was seen.
pub(super) fn late(newest: Timestamp) -> Timestamp {
    let late = i64::try_from(LATE_MAX.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(newest.as_micros().saturating_sub(late))
}

/// Pages of sagas, newest first, up to the first that is `enough`; and whether there are more.
async fn pages(
    client: &Client,
    statuses: &[&str],
    mut enough: impl FnMut(&Saga) -> bool,
) -> Result<(Vec<Found>, bool), Failure> {
    let mut sagas = Vec::new();
    let mut after = None;
    for _ in 0..PAGES_MAX {
        let page = page(client, statuses, limits::PAGE_MAX, after).await?;
        for document in page.items {
            let found = read(document)?;
            if enough(&found.saga) {
                return Ok((sagas, false));
            }
            sagas.push(found);
        }
        after = page.next;
        if after.is_none() {
            return Ok((sagas, false));
        }
    }
    Ok((sagas, true))
}

async fn page(
    client: &Client,
    statuses: &[&str],
    limit: u32,
    after: Option<String>,
) -> Result<Page, Failure> {
    let mut query = vec![("status", statuses.join(",")), ("limit", limit.to_string())];
    query.extend(after.map(|after| ("after", after)));
    client.get(&["v1", "sagas"], &query).await?.read()
}

fn read(document: Box<RawValue>) -> Result<Found, Failure> {
    let saga = serde_json::from_str(document.get()).map_err(|error| not_understood(&error))?;
    Ok(Found { saga, document })
}

fn not_understood(error: &serde_json::Error) -> Failure {
    Failure::cannot(format!("a saga is not understood: {error}"))
        .hint("is the orchestrator of this version?")
}
