//! Asking a local server how it is: just enough HTTP for the status line, so that no client is
//! needed.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A probe is a few bytes on loopback; slower is as good as no answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The status that `GET path` answers on this port of 127.0.0.1; `None` when there is no answer.
pub(crate) async fn status(port: u16, path: &str) -> Option<u16> {
    timeout(PROBE_TIMEOUT, ask(port, path)).await.ok().flatten()
}

async fn ask(port: u16, path: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    // "HTTP/1.1 200": the status ends at the twelfth byte.
    let mut line = [0; 12];
    stream.read_exact(&mut line).await.ok()?;
    std::str::from_utf8(&line[9..]).ok()?.parse().ok()
}
