//! Load: orders placed over keep-alive HTTP, so many in flight, each by a client that does not give
//! up, as real ones do: whatever happens it asks again with its `Idempotency-Key`.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use futures_util::{StreamExt, TryStreamExt, stream};
use lab::wait;
use reqwest::StatusCode;
use serde_json::Value;

use crate::{order, order_with};

/// Orders in flight: more than one batch's worth would only queue up.
const IN_FLIGHT: usize = 32;
/// One request. It waits for the saga's end, so it outlives what an outage takes from a saga.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(70);
/// From placing an order until it has ended, whatever is killed meanwhile.
const ORDER_MAX: Duration = Duration::from_secs(300);
/// One order in so many goes where no parcel goes.
const REFUSED_EVERY: usize = 5;
/// The statuses of a saga that has ended.
const ENDS: [&str; 2] = ["completed", "compensated"];

/// Orders to place.
pub struct Load {
    /// Where the API is.
    pub url: String,
    /// How many; every fifth is refused by shipping.
    pub orders: usize,
    ended: AtomicUsize,
}

/// An order that has ended.
#[derive(Debug)]
pub struct Placed {
    /// Its business key.
    pub key: String,
    /// How it should end when nothing goes wrong.
    pub expected: &'static str,
    /// The saga, as the API answered it.
    pub saga: Value,
}

impl Load {
    /// A load that has not begun.
    #[must_use]
    pub fn new(url: &str, orders: usize) -> Self {
        Self { url: url.to_owned(), orders, ended: AtomicUsize::new(0) }
    }

    /// How many orders have ended.
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }

    /// Places all orders and answers them as they ended.
    ///
    /// # Errors
    /// When an order does not end in time, or is answered with what must not be.
    pub async fn run(&self) -> Result<Vec<Placed>> {
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build()?;
        let orders = (0..self.orders).map(|number| self.place(&http, number));
        stream::iter(orders).buffer_unordered(IN_FLIGHT).try_collect().await
    }

    async fn place(&self, http: &reqwest::Client, number: usize) -> Result<Placed> {
        let key = format!("load-{number}");
        let (order, expected) = if number.is_multiple_of(REFUSED_EVERY) {
            (order_with(&key, "/address/country", "AQ".into()), "compensated")
        } else {
            (order(&key), "completed")
        };
        let what = format!("the end of {key}");
        let ask = async || self.ask(http, &key, &order).await.transpose();
        let saga = wait::until(&what, ORDER_MAX, ask).await??;
        self.ended.fetch_add(1, Ordering::Relaxed);
        Ok(Placed { key, expected, saga })
    }

    /// Asks once, with the same key each time; `None` says to ask again.
    async fn ask(&self, http: &reqwest::Client, key: &str, order: &Value) -> Result<Option<Value>> {
        let request = http
            .post(format!("{}/orders", self.url))
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .header("prefer", "wait=60")
            .body(order.to_string());
        // Nobody answers while the orchestrator is being restarted.
        let Ok(answer) = request.send().await else { return Ok(None) };
        let status = answer.status();
        let Ok(body) = answer.bytes().await else { return Ok(None) };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Ok(None);
        }
        if !status.is_success() {
            bail!("{key} was answered {status}: {}", String::from_utf8_lossy(&body));
        }
        let saga: Value = serde_json::from_slice(&body).context("an answer is JSON")?;
        let has_ended = ENDS.iter().any(|end| saga["status"] == *end);
        Ok(has_ended.then_some(saga))
    }
}
