//! Serves connections: how many, how long each may take to say what it wants, and how they end.
//!
//! `axum::serve` installs no timer, so that hyper's timeout of headers would never fire; hence our
//! own loop.

use std::{
    io::{self, ErrorKind},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;

use super::impatient::Impatient;

/// Connections at once; whoever is beyond waits in the backlog of the kernel. Below the 1 024 open
/// files that a process usually has, with room for broker and database.
const CONNECTIONS_MAX: usize = 900;
/// Until the first request of a connection has come, and until the headers of a later one have. A
/// connection that is kept alive is idle for no longer.
const HEADERS_MAX: Duration = Duration::from_secs(10);
/// Between two questions whether an HTTP/2 peer is still there, and for its answer.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Requests at once on one HTTP/2 connection: as many as a browser's six connections would send,
/// many times over.
const STREAMS_MAX: u32 = 128;
/// The headers of one request. Ours and a proxy's have a few hundred bytes.
const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// What hyper buffers of an HTTP/1 connection: the headers, and a body in pieces.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long requests in flight may take to end once told to stop. Who waits for a saga is answered
/// at once, and whatever else takes milliseconds, unless the database is slow.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// How long an answer may wait for its client to take the next piece of it.
const WRITE_MAX: Duration = Duration::from_secs(30);
/// Before the next try to accept a connection where the machine has no room for it.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Failures to accept in a row before we give up: a minute without room for a single connection.
const ACCEPT_FAILURES_MAX: u32 = 600;

/// Serves until `stop`, then drains.
///
/// # Errors
/// When no connection can be accepted any more.
pub(super) async fn serve(
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let cut = CancellationToken::new();
    // Whoever drops this future, drops all connections with it.
    let _cut_when_dropped = cut.clone().drop_guard();
    let connections = TaskTracker::new();
    let accepted = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        error = accept(&listener, &connections, |stream| {
            Connection { stream, routes: routes.clone(), stop: stop.clone(), cut: cut.clone() }
        }) => Err(error),
    };
    drop(listener);
    connections.close();
    if timeout(DRAIN_MAX, connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "requests did not end in time and are cut off");
    }
    accepted
}

/// Accepts connections and serves each in a task of its own, until that fails for good.
async fn accept(
    listener: &TcpListener,
    connections: &TaskTracker,
    connection: impl Fn(TcpStream) -> Connection,
) -> io::Error {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut failures = 0;
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                failures = 0;
                let connection = connection(stream);
                connections.spawn(async move {
                    connection.serve().await;
                    drop(permit);
                });
            }
            Err(error) if is_of_connection(&error) => {}
            Err(error) if failures < ACCEPT_FAILURES_MAX => {
                failures += 1;
                tracing::warn!(%error, "cannot accept a connection; trying again");
                sleep(ACCEPT_AGAIN).await;
            }
            Err(error) => return error,
        }
    }
}

/// Whether only the connection that was about to be accepted is concerned.
fn is_of_connection(error: &io::Error) -> bool {
    let kinds =
        [ErrorKind::ConnectionRefused, ErrorKind::ConnectionAborted, ErrorKind::ConnectionReset];
    kinds.contains(&error.kind())
}

/// One connection.
struct Connection {
    stream: TcpStream,
    routes: Router,
    /// Ends it after the requests in flight.
    stop: CancellationToken,
    /// Ends it now.
    cut: CancellationToken,
}

impl Connection {
    async fn serve(self) {
        let Self { stream, routes, stop, cut } = self;
        // Answers are written whole; waiting for more to send only delays them. Without it they
        // arrive too.
        let _ = stream.set_nodelay(true);
        let asked = Arc::new(AtomicBool::new(false));
        let service = {
            let asked = Arc::clone(&asked);
            routes.map_request(move |request: Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                request.map(Body::new)
            })
        };
        let builder = protocol();
        let stream = TokioIo::new(Impatient::new(stream, WRITE_MAX));
        let connection = builder.serve_connection(stream, TowerToHyperService::new(service));
        let (mut connection, mut silent) = (pin!(connection), pin!(sleep(HEADERS_MAX)));
        let (mut is_watched, mut is_draining) = (true, false);
        loop {
            tokio::select! {
                biased;
                () = cut.cancelled() => return,
                // What went wrong on a connection is the client's to see, and often its doing.
                _ = connection.as_mut() => return,
                () = stop.cancelled(), if !is_draining => {
                    is_draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                // Hyper's own timeout begins when it knows the protocol, for which it waits for
                // ever.
                () = silent.as_mut(), if is_watched => {
                    is_watched = false;
                    if !asked.load(Ordering::Relaxed) {
                        return;
                    }
                }
            }
        }
    }
}

/// HTTP/1.1 and, with prior knowledge, HTTP/2.
fn protocol() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY)
        .max_header_list_size(HEADER_BYTES_MAX)
        .max_concurrent_streams(STREAMS_MAX);
    builder
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::Notify,
        task::JoinHandle,
        time,
    };

    use super::*;

    /// For whatever a test waits for; above all limits that are tested.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// A server whose one handler says that it was asked, and answers when it may.
    struct Server {
        stream: TcpStream,
        serving: JoinHandle<io::Result<()>>,
        stop: CancellationToken,
        asked: Arc<Notify>,
        may_answer: Arc<Notify>,
    }

    impl Server {
        async fn start() -> Self {
            let (asked, may_answer) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (told, waited) = (Arc::clone(&asked), Arc::clone(&may_answer));
            let handler = get(|| async move {
                told.notify_one();
                waited.notified().await;
                "done"
            });
            let stop = CancellationToken::new();
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let routes = Router::new().route("/", handler);
            let serving = tokio::spawn(serve(listener, routes, stop.clone()));
            let stream = TcpStream::connect(address).await.unwrap();
            Self { stream, serving, stop, asked, may_answer }
        }

        async fn ask(&mut self) {
            self.stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            timeout(PATIENCE, self.asked.notified()).await.unwrap();
        }

        async fn answer(&mut self) -> String {
            let mut answer = String::new();
            let read = timeout(PATIENCE, self.stream.read_to_string(&mut answer)).await;
            read.expect("it answers or hangs up in time").unwrap();
            answer
        }
    }

    #[tokio::test]
    async fn a_request_in_flight_is_answered_before_the_end() {
        let mut server = Server::start().await;
        server.ask().await;
        server.stop.cancel();
        server.may_answer.notify_one();
        let answer = server.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("done"), "{answer}");
        server.serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn the_end_does_not_wait_for_ever() {
        let mut server = Server::start().await;
        server.ask().await;
        server.stop.cancel();
        time::pause();
        assert_eq!(server.answer().await, "");
        server.serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_does_not_say_what_they_want_is_hung_up_on() {
        for beginning in [&b""[..], b"P", b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
            let mut server = Server::start().await;
            server.stream.write_all(beginning).await.unwrap();
            time::pause();
            assert_eq!(server.answer().await, "");
            time::resume();
        }
    }
}
