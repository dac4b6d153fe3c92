//! Load: orders placed over keep-alive HTTP with any of several orchestrators, so many in flight,
//! each by a client that does not give up, as real ones do: whatever happens it asks again, the
//! next orchestrator, with its `Idempotency-Key`. It remembers what it was promised.

use std::{
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use futures_util::{StreamExt, TryStreamExt, stream};
use lab::wait;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::{sync::Semaphore, time::sleep};
use uuid::Uuid;

use crate::{order, order_with};

/// Orders in flight unless told otherwise: more than one batch's worth would only queue up.
const IN_FLIGHT: usize = 32;
/// One request, which waits [`WAIT`] at most: an orchestrator that stands still is given up after
/// it, and the next one asked.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a request waits for the saga's end: longer than one takes that nothing befalls.
const WAIT: &str = "wait=10";
/// Before a client that was turned away asks again: whoever is away is not asked thousands of times
/// a second.
const PAUSE: Duration = Duration::from_millis(100);
/// From placing an order until it has ended, whatever is killed meanwhile.
const ORDER_MAX: Duration = Duration::from_secs(300);
/// One order in so many goes where no parcel goes.
const REFUSED_EVERY: usize = 5;
/// The statuses of a saga that has ended.
const ENDS: [&str; 2] = ["completed", "compensated"];

/// Orders to place.
pub struct Load {
    /// Where the API is, at each orchestrator.
    pub urls: Vec<String>,
    /// How many; every fifth is refused by shipping.
    pub orders: usize,
    /// How many are in flight at once.
    pub in_flight: usize,
    /// One permit for each order that may be placed and is not yet.
    admission: Semaphore,
    admitted: AtomicUsize,
    ended: AtomicUsize,
    promised: Mutex<Vec<Promised>>,
}

/// A start that was answered with success: it must never be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promised {
    /// The order's business key.
    pub key: String,
    /// The saga.
    pub id: Uuid,
    /// When the answer was there.
    pub at: Instant,
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
    /// When it was first asked for.
    pub asked: Instant,
    /// When its start was answered with success.
    pub accepted: Instant,
    /// When its end was answered.
    pub ended: Instant,
    /// How often it was asked for; twice where nothing goes wrong.
    pub requests: usize,
}

/// One order on its way.
struct Client<'a> {
    load: &'a Load,
    http: &'a reqwest::Client,
    key: String,
    order: Value,
    /// Counts the requests, and says which orchestrator is next.
    requests: AtomicUsize,
    number: usize,
}

impl Load {
    /// A load on one orchestrator that has not begun.
    #[must_use]
    pub fn new(url: &str, orders: usize) -> Self {
        Self::over(vec![url.to_owned()], orders)
    }

    /// The same over several, in turn.
    #[must_use]
    pub fn over(urls: Vec<String>, orders: usize) -> Self {
        let load = Self::held(urls, orders, IN_FLIGHT);
        load.admit(orders);
        load
    }

    /// The same, so many in flight, but none is placed before it is admitted.
    #[must_use]
    pub fn held(urls: Vec<String>, orders: usize, in_flight: usize) -> Self {
        Self {
            urls,
            orders,
            in_flight,
            admission: Semaphore::new(0),
            admitted: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            promised: Mutex::default(),
        }
    }

    /// Lets the first `orders` be placed, unless more already may.
    pub fn admit(&self, orders: usize) {
        let before = self.admitted.fetch_max(orders, Ordering::Relaxed);
        self.admission.add_permits(orders.saturating_sub(before));
    }

    /// How many orders have ended.
    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::Relaxed)
    }

    /// The starts that were answered with success until now, also when [`Self::run`] failed.
    pub fn promised(&self) -> Vec<Promised> {
        self.promises().clone()
    }

    /// Places all orders and answers them as they ended.
    ///
    /// # Errors
    /// When an order does not end in time, or is answered with what must not be.
    pub async fn run(&self) -> Result<Vec<Placed>> {
        ensure!(!self.urls.is_empty(), "a load needs an orchestrator");
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build()?;
        let orders = (0..self.orders).map(|number| self.place(&http, number));
        stream::iter(orders).buffer_unordered(self.in_flight).try_collect().await
    }

    async fn place(&self, http: &reqwest::Client, number: usize) -> Result<Placed> {
        self.admission.acquire().await.context("nobody closes it")?.forget();
        let asked = Instant::now();
        let key = format!("load-{number}");
        let (order, expected) = if number.is_multiple_of(REFUSED_EVERY) {
            (order_with(&key, "/address/country", "AQ".into()), "compensated")
        } else {
            (order(&key), "completed")
        };
        let requests = AtomicUsize::new(0);
        let mut client = Client { load: self, http, key, order, requests, number };

        let what = format!("the start of {}", client.key);
        let start = async || client.insist("wait=0").await.transpose();
        let started = wait::until(&what, ORDER_MAX, start).await??;
        let accepted = Instant::now();
        let id = id_of(&started)?;
        self.promises().push(Promised { key: client.key.clone(), id, at: accepted });

        let what = format!("the end of {}", client.key);
        let ask = async || {
            let saga = client.insist(WAIT).await.transpose()?;
            let has_ended = |saga: &Value| ENDS.iter().any(|end| saga["status"] == *end);
            saga.map_or_else(|error| Some(Err(error)), |saga| has_ended(&saga).then_some(Ok(saga)))
        };
        let saga = wait::until(&what, ORDER_MAX, ask).await??;
        let same = id_of(&saga)?;
        ensure!(same == id, "{} became {id} and then {same}", client.key);
        self.ended.fetch_add(1, Ordering::Relaxed);
        let (key, requests) = (mem::take(&mut client.key), client.requests.into_inner());
        Ok(Placed { key, expected, saga, asked, accepted, ended: Instant::now(), requests })
    }

    fn promises(&self) -> MutexGuard<'_, Vec<Promised>> {
        self.promised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client<'_> {
    /// Asks once, and takes its time when it is turned away.
    async fn insist(&self, prefer: &str) -> Result<Option<Value>> {
        let answer = self.ask(prefer).await;
        if matches!(answer, Ok(None)) {
            sleep(PAUSE).await;
        }
        answer
    }

    /// Asks once, with the same key each time; `None` says to ask again.
    async fn ask(&self, prefer: &str) -> Result<Option<Value>> {
        let turn = self.number + self.requests.fetch_add(1, Ordering::Relaxed);
        let url = &self.load.urls[turn % self.load.urls.len()];
        let request = self
            .http
            .post(format!("{url}/orders"))
            .header("content-type", "application/json")
            .header("idempotency-key", &self.key)
            .header("prefer", prefer)
            .body(self.order.to_string());
        // Nobody answers while the orchestrator is being restarted.
        let Ok(answer) = request.send().await else { return Ok(None) };
        let status = answer.status();
        let Ok(body) = answer.bytes().await else { return Ok(None) };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return Ok(None);
        }
        if !status.is_success() {
            bail!("{} was answered {status}: {}", self.key, String::from_utf8_lossy(&body));
        }
        Ok(Some(serde_json::from_slice(&body).context("an answer is JSON")?))
    }
}

fn id_of(saga: &Value) -> Result<Uuid> {
    let id = saga["id"].as_str().with_context(|| format!("a saga has an id: {saga}"))?;
    id.parse().with_context(|| format!("`{id}` is no id"))
}
