//! A client of the API. Answers are kept as text: what `--json` prints is what the orchestrator
//! said, byte for byte.

use std::{error::Error, fmt, time::Duration};

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header, redirect};
use saga_protocol::limits;
use serde::Deserialize;

use super::{Failure, view::Text};
use crate::settings;

/// Until a connection stands. An orchestrator on another continent takes less than a second.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Until the whole answer is here: the longest wait that the API grants, and a database that is
/// slow.
const ANSWER_MAX: Duration = limits::WAIT_MAX.saturating_add(Duration::from_secs(15));
/// The largest answer that is read: a page of the largest sagas, each with input and state.
const ANSWER_BYTES_MAX: usize =
    limits::PAGE_MAX as usize * (limits::BODY_BYTES_MAX + limits::STATE_BYTES_MAX);
/// What is shown of an answer that is not the API's: enough to tell who gave it.
const STRANGE_CHARS_MAX: usize = 200;

/// The API of one orchestrator.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    /// The base as it may be shown.
    shown: String,
}

/// What the API answered; a success.
pub(crate) struct Answer {
    /// The JSON document.
    pub(crate) body: String,
    /// Whether an earlier request with the same key did it.
    pub(crate) replayed: bool,
    from: String,
}

/// A refusal, as in RFC 9457. What stands beside these fields differs by `code`.
#[derive(Deserialize)]
struct Problem {
    title: Text,
    code: Text,
    detail: Option<Text>,
    hint: Option<Text>,
    #[serde(default)]
    errors: Vec<Violation>,
}

/// One thing that is wrong with a body.
#[derive(Deserialize)]
struct Violation {
    /// The field; empty for the whole.
    pointer: Text,
    detail: Text,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pointer.as_str() {
            "" => write!(f, "{}", self.detail),
            pointer => write!(f, "`{pointer}`: {}", self.detail),
        }
    }
}

impl Client {
    /// A client of the orchestrator that the settings name. Does not connect yet.
    ///
    /// # Errors
    /// When they name none.
    pub(crate) fn new(settings: &settings::Client) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .redirect(redirect::Policy::none())
            // The settings say where the orchestrator is; variables that they do not know of are
            // not to decide.
            .no_proxy()
            .build()
            .map_err(|error| Failure::cannot(format!("cannot make requests: {error}")))?;
        Ok(Self { http, base: settings.base()?, shown: settings.url.to_string() })
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// When the answer is no, or nobody answers.
    pub(crate) async fn get(
        &self,
        path: &[&str],
        query: &[(&str, String)],
    ) -> Result<Answer, Failure> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.http.request(Method::GET, url)).await
    }

    /// Asks for something to be done.
    ///
    /// # Errors
    /// When the answer is no, or nobody answers.
    pub(crate) async fn post(
        &self,
        path: &[&str],
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let mut request = self.http.request(Method::POST, self.url(path));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        self.send(request.header(header::CONTENT_TYPE, "application/json").body(body)).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        // Only URLs without a host have no path, and the settings refuse those.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Failure> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = self.read(response).await?;
        if !status.is_success() {
            return Err(self.refused(status, &body));
        }
        let replayed = headers.get("idempotency-replayed").is_some_and(|value| value == "true");
        Ok(Answer { body, replayed, from: self.shown.clone() })
    }

    async fn read(&self, mut response: Response) -> Result<String, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(stranger(&self.shown, "its answer does not end"));
            }
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).map_err(|_| stranger(&self.shown, "its answer is not text"))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Failure {
        let mut causes = Vec::new();
        let mut cause = error.source();
        while let Some(error) = cause {
            causes.push(error.to_string());
            cause = error.source();
        }
        let hint = "start one with `saga dev` or `saga serve`, or name another with `--url` or \
            `SAGA_URL`";
        let message = match error.is_timeout() && !error.is_connect() {
            true => format!("`{}` did not answer within {ANSWER_MAX:?}", self.shown),
            false => format!("cannot reach an orchestrator at `{}`", self.shown),
        };
        // The last cause is the plainest: what the operating system said.
        Failure::cannot(message).details(causes.pop().into_iter().collect()).hint(hint)
    }

    fn refused(&self, status: StatusCode, body: &str) -> Failure {
        let Ok(problem) = serde_json::from_str::<Problem>(body) else {
            return stranger(&self.shown, &format!("it answered {status}: {}", beginning(body)));
        };
        let message = format!("{} ({})", problem.title, problem.code);
        let failure = match status.is_client_error() {
            true => Failure::no(message),
            false => Failure::cannot(message),
        };
        let violations = problem.errors.iter().map(ToString::to_string);
        let detail = problem.detail.map(|detail| detail.to_string());
        let failure = failure.details(detail.into_iter().chain(violations).collect());
        match problem.hint {
            Some(hint) => failure.hint(hint.to_string()),
            None => failure,
        }
    }
}

impl Answer {
    /// What the answer means.
    ///
    /// # Errors
    /// When it means nothing to this program.
    pub(crate) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        serde_json::from_str(&self.body).map_err(|error| {
            stranger(&self.from, &format!("its answer is not understood: {error}"))
        })
    }
}

/// Somebody answers, and it is not an orchestrator of this version.
fn stranger(shown: &str, why: &str) -> Failure {
    Failure::cannot(format!("`{shown}` does not answer like an orchestrator"))
        .details(vec![why.to_owned()])
        .hint("is it one, and of this version? Name another with `--url` or `SAGA_URL`")
}

fn beginning(body: &str) -> String {
    let text: String = body.chars().take(STRANGE_CHARS_MAX).collect();
    Text::from(text).to_string()
}
