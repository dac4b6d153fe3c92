//! Load: orders over keep-alive HTTP, so many in flight; each waits for its saga's end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::StatusCode;
use serde_json::Value;

use crate::{cli::output, order::order};

/// Above the wait that is asked for: a request that takes longer is not a slow saga, it is broken.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(70);

/// What became of a load.
pub(crate) struct Loaded {
    /// From the first order to the last end.
    pub(crate) elapsed: Duration,
    latencies: Vec<Duration>,
}

/// Places orders with these numbers and waits until all have ended.
///
/// # Errors
/// When one does not complete: then figures say nothing.
pub(crate) async fn place(
    url: &str,
    numbers: std::ops::Range<u32>,
    in_flight: u32,
) -> Result<Loaded> {
    let http = reqwest::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        .pool_max_idle_per_host(in_flight as usize)
        .tcp_nodelay(true)
        .build()?;
    let bar = output::bar(numbers.end - numbers.start, &format!("{in_flight:>4} in flight"));
    let url = format!("{url}/orders");
    let began = Instant::now();
    let orders = numbers.map(|number| {
        let (http, url, bar) = (&http, &url, &bar);
        async move {
            let latency = place_one(http, url, number).await?;
            bar.inc(1);
            anyhow::Ok(latency)
        }
    });
    let placed = stream::iter(orders).buffer_unordered(in_flight as usize);
    let mut latencies: Vec<_> = placed.try_collect().await?;
    let elapsed = began.elapsed();
    bar.finish_and_clear();
    latencies.sort_unstable();
    Ok(Loaded { elapsed, latencies })
}

async fn place_one(http: &reqwest::Client, url: &str, number: u32) -> Result<Duration> {
    let body = order(number).to_string();
    let began = Instant::now();
    let request = http.post(url).header("content-type", "application/json");
    let request = request.header("prefer", "wait=60").body(body);
    let answer = request.send().await.context("the orchestrator does not answer")?;
    let (status, body) = (answer.status(), answer.bytes().await?);
    let latency = began.elapsed();
    let said = || String::from_utf8_lossy(&body).into_owned();
    ensure!(status == StatusCode::CREATED, "an order has not ended: {status} {}", said());
    let saga: Value = serde_json::from_slice(&body).context("an answer is JSON")?;
    ensure!(saga["status"] == "completed", "an order did not complete: {}", said());
    Ok(latency)
}

impl Loaded {
    /// The latency that so many of a hundred did not exceed, by nearest rank.
    pub(crate) fn percentile_ms(&self, percent: usize) -> f64 {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        let latency = self.latencies.get(rank - 1).copied().unwrap_or_default();
        latency.as_secs_f64() * 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let latencies = (1..=200).map(Duration::from_millis).collect();
        let loaded = Loaded { elapsed: Duration::ZERO, latencies };
        assert_eq!([50, 99, 100].map(|p| loaded.percentile_ms(p)), [100.0, 198.0, 200.0]);
        let one = Loaded { latencies: vec![Duration::from_millis(7)], ..loaded };
        assert_eq!([1, 50, 99].map(|p| one.percentile_ms(p)), [7.0; 3]);
    }
}
