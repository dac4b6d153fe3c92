//! Load: orders over keep-alive HTTP, so many in flight; each waits for its saga's end.

use std::{
    collections::BTreeMap,
    ops::Range,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::StatusCode;
use serde_json::Value;

use crate::{
    cli::output,
    figures,
    order::{is_refused, order},
};

/// Above the wait that is asked for: a request that takes longer is not a slow saga, it is broken.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(70);
/// Before an order is placed again whose answer was lost: less than a process takes to start.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// How long an order is placed again: all attempts of a step and then some.
const RETRIES_MAX: Duration = Duration::from_secs(180);

/// Orders to place.
#[derive(Clone)]
pub(crate) struct Load {
    /// The orchestrators, which take turns.
    pub(crate) urls: Vec<String>,
    /// Which orders.
    pub(crate) numbers: Range<u32>,
    /// How many at once.
    pub(crate) in_flight: u32,
    /// How many of a hundred are refused by the last step.
    pub(crate) fail_percent: u32,
    /// Whether processes die meanwhile.
    pub(crate) weather: Weather,
}

/// What a client has to be ready for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Every order is answered with its end, at the first try.
    Fair,
    /// Answers get lost: each order has an idempotency key and is placed until it has ended.
    Foul,
}

/// What became of a load.
pub(crate) struct Loaded {
    /// From the first order to the last end.
    pub(crate) elapsed: Duration,
    /// How sagas ended, by status.
    pub(crate) ends: BTreeMap<String, u32>,
    /// Orders that were placed again.
    pub(crate) retries: u32,
    /// Of each order, in order of length.
    pub(crate) latencies: Vec<Duration>,
}

/// One order's way.
struct Placed {
    latency: Duration,
    status: String,
    retries: u32,
}

/// Places orders and waits until all have ended.
///
/// # Errors
/// In fair weather when one does not end as it should, in foul weather when one does not end: then
/// figures say nothing.
pub(crate) async fn place(load: Load) -> Result<Loaded> {
    let http = reqwest::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        .pool_max_idle_per_host(load.in_flight as usize)
        .tcp_nodelay(true)
        .build()?;
    let count = load.numbers.end - load.numbers.start;
    let bar = output::bar(count, &format!("{:>4} in flight", load.in_flight));
    let began = Instant::now();
    let orders = load.numbers.clone().map(|number| {
        let (http, load, bar) = (&http, &load, &bar);
        async move {
            let placed = place_one(http, load, number).await?;
            bar.inc(1);
            anyhow::Ok(placed)
        }
    });
    let placed = stream::iter(orders).buffer_unordered(load.in_flight as usize);
    let placed: Vec<_> = placed.try_collect().await?;
    let elapsed = began.elapsed();
    bar.finish_and_clear();
    let mut ends = BTreeMap::new();
    for one in &placed {
        *ends.entry(one.status.clone()).or_default() += 1;
    }
    let retries = placed.iter().map(|one| one.retries).sum();
    let mut latencies: Vec<_> = placed.into_iter().map(|one| one.latency).collect();
    latencies.sort_unstable();
    Ok(Loaded { elapsed, ends, retries, latencies })
}

async fn place_one(http: &reqwest::Client, load: &Load, number: u32) -> Result<Placed> {
    let is_refused = is_refused(number, load.fail_percent);
    let body = order(number, is_refused).to_string();
    let began = Instant::now();
    let mut retries = 0;
    loop {
        let url = &load.urls[(number + retries) as usize % load.urls.len()];
        let mut request = http.post(format!("{url}/orders")).body(body.clone());
        request = request.header("content-type", "application/json").header("prefer", "wait=60");
        if load.weather == Weather::Foul {
            request = request.header("idempotency-key", format!("bench-{number}"));
        }
        let wanted = if is_refused { "compensated" } else { "completed" };
        match ended(request).await {
            Ok(status) if status == wanted || load.weather == Weather::Foul => {
                return Ok(Placed { latency: began.elapsed(), status, retries });
            }
            Ok(status) => anyhow::bail!("order {number} is {status}, not {wanted}"),
            Err(_) if load.weather == Weather::Foul && began.elapsed() < RETRIES_MAX => {
                retries += 1;
                tokio::time::sleep(RETRY_AFTER).await;
            }
            Err(error) => return Err(error.context(format!("order {number} has no end"))),
        }
    }
}

/// How the saga of a request has ended.
async fn ended(request: reqwest::RequestBuilder) -> Result<String> {
    let answer = request.send().await.context("the orchestrator does not answer")?;
    let (status, body) = (answer.status(), answer.bytes().await?);
    let said = || String::from_utf8_lossy(&body).into_owned();
    let has_ended = matches!(status, StatusCode::CREATED | StatusCode::OK);
    ensure!(has_ended, "the orchestrator answers {status}: {}", said());
    let saga: Value = serde_json::from_slice(&body).context("an answer is JSON")?;
    Ok(saga["status"].as_str().with_context(said)?.to_owned())
}

impl Loaded {
    /// The latency that so many of a hundred did not exceed.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        figures::percentile_ms(&self.latencies, percent)
    }
}
