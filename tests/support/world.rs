//! A world for one test: orchestrator and participants as real processes on a virtual host and a
//! database of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use lab::{Binary, Queues, System, Who, wait};
use reqwest::{Method, StatusCode, header::HeaderMap};
use saga_bus::{Amqp, Options, Role};
use serde_json::Value;
use sqlx::PgPool;

use crate::{Builder, Roads};

/// For whatever a test waits for. Reached only when something is broken: a saga ends in well under
/// a second.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any answer takes, `Prefer: wait` included.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(70);
/// A test looks at one thing at a time, and sometimes holds another.
pub(crate) const DB_CONNECTIONS: u32 = 2;

/// Real processes, a client of their API, and the database to look into.
pub struct World {
    /// The processes.
    pub system: System,
    /// The database of orchestrators and participants; no proxy is on the way to it.
    pub db: PgPool,
    /// A client that keeps its connections.
    pub http: reqwest::Client,
    /// The queues of the world's virtual host, to break them.
    pub queues: Queues,
    /// The ways of each process to its servers, in a world that was built `through_proxies`.
    pub roads: Vec<Roads>,
}

/// What the API answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null where it is no JSON.
    pub body: Value,
}

/// What the command line tool said.
#[derive(Debug)]
pub struct Said {
    /// Its exit status.
    pub code: Option<i32>,
    /// Its data.
    pub stdout: String,
    /// Its talk.
    pub stderr: String,
}

impl World {
    /// Starts orchestrator and participants with the product's definitions and those in
    /// `tests/definitions`.
    ///
    /// # Errors
    /// When there is no lab, or something does not start.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    /// A world of other shape: more of each, through proxies, on servers of its own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// The ways of one process to its servers.
    ///
    /// # Errors
    /// When there is no such process, or the world was not built `through_proxies`.
    pub fn roads_of(&self, who: Who) -> Result<&Roads> {
        let roads = self.roads.iter().find(|roads| roads.who == who);
        roads.with_context(|| format!("no proxies were asked for {who}"))
    }

    /// Sends a request with a body that may be anything.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer> {
        self.send_to(&self.system.url, method, path, headers, body).await
    }

    /// The same to one orchestrator of several, by its URL.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn send_to(
        &self,
        url: &str,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Result<Answer> {
        let mut request = self.http.request(method, format!("{url}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(body).send().await;
        let answer = answer.with_context(|| format!("no answer from {path}"))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = serde_json::from_slice(&answer.bytes().await?).unwrap_or(Value::Null);
        Ok(Answer { status, headers, body })
    }

    /// Gets a resource.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(Method::GET, path, &[], "").await
    }

    /// Posts a JSON document.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> Result<Answer> {
        let headers = [headers, &[("content-type", "application/json")]].concat();
        self.send(Method::POST, path, &headers, body.to_string()).await
    }

    /// Orders that a saga be undone.
    ///
    /// # Errors
    /// When nobody answers.
    pub async fn cancel(&self, id: &str, body: &Value) -> Result<Answer> {
        self.post(&format!("/v1/sagas/{id}/cancel"), &[], body).await
    }

    /// Places an order and waits for its end.
    ///
    /// # Errors
    /// When it is not accepted, or has not ended when the wait is over.
    pub async fn place(&self, path: &str, order: &Value) -> Result<Value> {
        let answer = self.post(path, &[("prefer", "wait=60")], order).await?;
        ensure!(answer.status == StatusCode::CREATED, "not ended: {answer:?}");
        Ok(answer.body)
    }

    /// Places an order without waiting and returns its saga's id.
    ///
    /// # Errors
    /// When it is not accepted.
    pub async fn begin(&self, path: &str, order: &Value) -> Result<String> {
        let answer = self.post(path, &[], order).await?;
        ensure!(answer.status.is_success(), "not accepted: {answer:?}");
        Ok(answer.body["id"].as_str().context("a saga has an id")?.to_owned())
    }

    /// The saga as it is now.
    ///
    /// # Errors
    /// When there is none.
    pub async fn saga(&self, id: &str) -> Result<Value> {
        let answer = self.get(&format!("/v1/sagas/{id}")).await?;
        ensure!(answer.status == StatusCode::OK, "no saga: {answer:?}");
        Ok(answer.body)
    }

    /// Waits until the saga is as `wanted` says, and returns it.
    ///
    /// # Errors
    /// When it does not become so in time; with the saga as it is.
    pub async fn until(
        &self,
        id: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let seen = wait::until(what, PATIENCE, async || {
            self.saga(id).await.ok().filter(|saga| wanted(saga))
        });
        match seen.await {
            Ok(saga) => Ok(saga),
            Err(error) => Err(error.context(format!("{:#}", self.saga(id).await?))),
        }
    }

    /// Waits until the saga has this status.
    ///
    /// # Errors
    /// When it does not get it in time.
    pub async fn until_status(&self, id: &str, status: &str) -> Result<Value> {
        self.until(id, &format!("status {status}"), |saga| saga["status"] == status).await
    }

    /// Waits until a step of the saga has this status.
    ///
    /// # Errors
    /// When it does not get it in time.
    pub async fn until_step(&self, id: &str, step: &str, status: &str) -> Result<Value> {
        let what = format!("step {step} to be {status}");
        self.until(id, &what, |saga| step_of(saga, step)["status"] == status).await
    }

    /// The entries of the saga's journal, oldest first.
    ///
    /// # Errors
    /// When there is none.
    pub async fn journal(&self, id: &str) -> Result<Vec<Value>> {
        let answer = self.get(&format!("/v1/sagas/{id}/journal")).await?;
        ensure!(answer.status == StatusCode::OK, "no journal: {answer:?}");
        Ok(answer.body["items"].as_array().context("a journal has items")?.clone())
    }

    /// How many rows a query counts.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn count(&self, sql: &'static str) -> Result<i64> {
        Ok(sqlx::query_scalar(sql).fetch_one(&self.db).await?)
    }

    /// A bus on the world's virtual host, to play orchestrator or participant.
    ///
    /// # Errors
    /// Never: the lab's URLs are well formed.
    pub fn bus(&self) -> Result<Amqp> {
        let url = self.system.settings.amqp_url.clone();
        Ok(Amqp::start(Options { url, role: Role::Server, name: "test".to_owned() })?)
    }

    /// Runs the product's command line tool against this world.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn cli(&self, arguments: &[&str]) -> Result<Said> {
        Said::of(&Binary::new("saga").args(arguments).env("SAGA_URL", &self.system.url))
    }
}

impl Said {
    /// Runs a binary to its end.
    ///
    /// # Errors
    /// When it cannot be run, or does not print text.
    pub fn of(binary: &Binary) -> Result<Self> {
        let output = binary.output()?;
        Ok(Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// The JSON document on stdout.
    ///
    /// # Errors
    /// When there is none; with what was said instead.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON: {self:?}"))
    }
}

/// One step of a saga in JSON; null where there is none.
#[must_use]
pub fn step_of<'a>(saga: &'a Value, name: &str) -> &'a Value {
    let steps = saga["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().find(|step| step["name"] == name).unwrap_or(&Value::Null)
}

/// The steps that a journal tells of as undone, in that order.
#[must_use]
pub fn undone(journal: &[Value]) -> Vec<&str> {
    let changes = journal.iter().flat_map(|row| row["entry"]["changes"].as_array());
    let changes = changes.flatten().filter(|change| change["to"] == "compensated");
    changes.filter_map(|change| change["step"].as_str()).collect()
}

/// Makes a folder with the product's definitions and the tests' own.
///
/// # Errors
/// When it cannot be written.
pub fn definitions(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    for source in ["saga-defs", "tests/definitions"] {
        for entry in fs::read_dir(lab::workspace().join(source))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                fs::copy(&path, folder.join(path.file_name().context("a file has a name")?))?;
            }
        }
    }
    Ok(folder.to_owned())
}
