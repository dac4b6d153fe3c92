//! Running `saga`, and an API that gives canned answers.

use std::{
    process::{Output, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{Response, header},
};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, net::TcpListener, process::Command};

/// A saga that was turned back by a refusal.
pub(crate) const COMPENSATED: &str = include_str!("order.json");
/// Its journal, abridged.
pub(crate) const JOURNAL: &str = include_str!("journal.json");
/// Its id.
pub(crate) const ID: &str = "0199c0de-0000-7000-8000-000000000001";

/// The saga with some fields changed.
pub(crate) fn saga_with(changes: &Value) -> Value {
    let mut saga: Value = serde_json::from_str(COMPENSATED).expect("the fixture is JSON");
    for (name, value) in changes.as_object().expect("changes are an object") {
        saga[name] = value.clone();
    }
    saga
}

/// How `saga` ended and what it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("`saga` prints text");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        Self { code: output.status.code(), stdout, stderr }
    }
}

/// `saga` with these arguments and nothing of our own environment.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_saga"));
    command.args(arguments).env_clear().stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs it to its end.
pub(crate) async fn saga(arguments: &[&str]) -> Said {
    command(arguments).output().await.expect("`saga` runs").into()
}

/// Runs it with this on its standard input.
pub(crate) async fn saga_reading(arguments: &[&str], input: &str) -> Said {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("`saga` starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // Whoever does not read to the end has said so by how he ends.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    child.wait_with_output().await.expect("`saga` runs").into()
}

/// One answer of the API.
#[derive(Clone)]
pub(crate) struct Canned {
    /// What must be asked: method, path and query.
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// An answer to this request.
pub(crate) fn canned(request: &str, status: u16, body: impl Into<String>) -> Canned {
    Canned { request: request.to_owned(), status, body: body.into() }
}

/// An API that gives its answers once each and in order, and fails what is not expected.
#[derive(Clone)]
pub(crate) struct Api {
    url: String,
    script: Arc<Mutex<Script>>,
}

struct Script {
    answers: std::vec::IntoIter<Canned>,
    /// `idempotency-key`, `prefer` and body of each request.
    asked: Vec<String>,
    /// `saga-actor` of each request that says it.
    actors: Vec<String>,
}

impl Api {
    pub(crate) async fn with(answers: Vec<Canned>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let script = Script { answers: answers.into_iter(), asked: Vec::new(), actors: Vec::new() };
        let api = Self { url: format!("http://{address}"), script: Arc::new(Mutex::new(script)) };
        let router = Router::new().fallback(answer).with_state(api.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        api
    }

    /// `saga` told to talk to this API.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.env("SAGA_URL", &self.url);
        command
    }

    /// Runs `saga` to its end; every answer must have been asked for.
    pub(crate) async fn saga(&self, arguments: &[&str]) -> Said {
        let said = self.command(arguments).output().await.expect("`saga` runs").into();
        let script = self.script.lock().expect("no test panics with it");
        let left = script.answers.as_slice().first().map(|answer| answer.request.clone());
        assert_eq!(left, None, "not asked for; {said:?}");
        said
    }

    pub(crate) fn actors(&self) -> Vec<String> {
        self.script.lock().expect("no test panics with it").actors.clone()
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.script.lock().expect("no test panics with it").asked.clone()
    }
}

async fn answer(State(api): State<Api>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("the body is small");
    let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let (key, prefer) = (header("idempotency-key"), header("prefer"));
    let mut script = api.script.lock().expect("no test panics with it");
    script.actors.extend(header("saga-actor").map(str::to_owned));
    script.asked.push(format!("{key:?} {prefer:?} {}", String::from_utf8_lossy(&body)));
    let asked = format!("{} {}", parts.method, parts.uri);
    let response = Response::builder().header(header::CONTENT_TYPE, "application/json");
    match script.answers.next() {
        Some(answer) if answer.request == asked => {
            response.status(answer.status).body(answer.body.into()).expect("it is well-formed")
        }
        _ => response.status(599).body(format!("unexpected: {asked}").into()).expect("so is this"),
    }
}
