//! The way to the broker, below the client: what comes passes [`legible`] before the client reads
//! it.

use std::{
    io::{self, IoSlice, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, AsRawFd},
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use async_rs::{Runtime, Tokio, traits::Reactor, util::RuntimeParts};
use bytes::{Buf, BytesMut};
use futures_util::{
    Stream,
    io::{AsyncRead, AsyncWrite},
};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, tcp::AMQPUriTcpExt, uri::AMQPUri};

use super::legible;

/// What stands before a frame's payload: kind, channel, length.
const FRAME_BEGIN: usize = 7;
/// What stands behind it.
const FRAME_END: usize = 1;
/// A frame that is larger passes unseen. Brokers send 128 KiB at most where nobody asks for more.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// Read at once.
const READ_BYTES: usize = 32 << 10;

/// What the client runs on, with a stream of ours.
type Kit = RuntimeParts<Tokio, Sockets>;

/// Connects the client.
pub(super) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
) -> lapin::Result<Connection> {
    let runtime = Runtime::<Kit>::new(RuntimeParts::new(Tokio::current(), Sockets::default()));
    let open = async |uri: AMQPUri, _: Runtime<Kit>| {
        let limit = uri.query.connection_timeout.map(Duration::from_millis);
        let sockets = Impatient { sockets: Tokio::current(), limit };
        let below = Runtime::new(RuntimeParts::new(Tokio::current(), sockets));
        // Ours lies above TLS: the client need not know of that.
        let stream = uri.connect_async(&below).await?;
        Ok(AsyncTcpStream::Plain(Legible::new(stream)))
    };
    Connection::connector(uri, runtime, open, properties).await
}

/// The sockets and timers of tokio.
#[derive(Clone, Debug, Default)]
struct Sockets(Tokio);

impl Reactor for Sockets {
    type TcpStream = Legible<AsyncTcpStream<<Tokio as Reactor>::TcpStream>>;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, period: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(period)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(Legible::new(AsyncTcpStream::Plain(connecting.await?))) }
    }
}

/// The sockets and timers of tokio, with a limit to each address that is connected to: a name may
/// have several, and one that swallows everything is not to keep us from the next.
#[derive(Clone, Debug)]
struct Impatient {
    sockets: Tokio,
    limit: Option<Duration>,
}

impl Reactor for Impatient {
    type TcpStream = <Tokio as Reactor>::TcpStream;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.sockets.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.sockets.sleep(duration)
    }

    fn interval(&self, period: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.sockets.interval(period)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.sockets.tcp_connect_addr(address);
        let limit = self.limit;
        async move {
            let Some(limit) = limit else { return connecting.await };
            let late = |_| {
                let what = format!("{address} did not answer within {limit:?}");
                io::Error::new(io::ErrorKind::TimedOut, what)
            };
            tokio::time::timeout(limit, connecting).await.map_err(late)?
        }
    }
}

/// A stream whose frames are made legible.
struct Legible<S> {
    stream: S,
    frames: Frames,
}

impl<S> Legible<S> {
    fn new(stream: S) -> Self {
        Self { stream, frames: Frames::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Legible<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Self { stream, frames } = &mut *self;
        // What has no room for anything would look like the end.
        while !buffer.is_empty() && frames.legible == 0 {
            let mut read = [0; READ_BYTES];
            let count = ready!(Pin::new(&mut *stream).poll_read(context, &mut read))?;
            if count == 0 {
                return Poll::Ready(Ok(0));
            }
            frames.push(&read[..count]);
        }
        Poll::Ready(Ok(frames.pop(buffer)))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Legible<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

/// Bytes that came, on their way through. Holds what was read at once, and a frame.
#[derive(Default)]
struct Frames {
    held: BytesMut,
    /// How many of those held may be handed on.
    legible: usize,
    /// How many more may be, of a frame that is not all here.
    passing: usize,
}

impl Frames {
    fn push(&mut self, read: &[u8]) {
        self.held.extend_from_slice(read);
        loop {
            let rest = &mut self.held[self.legible..];
            let passed = self.passing.min(rest.len());
            self.legible += passed;
            self.passing -= passed;
            let Some(length) = look(&mut rest[passed..]) else { return };
            self.passing = length;
        }
    }

    fn pop(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.legible.min(buffer.len());
        self.held.split_to(count).copy_to_slice(&mut buffer[..count]);
        self.legible -= count;
        count
    }
}

/// The length of the frame that begins here, which has been made legible where it must be; `None`
/// while that cannot be said.
fn look(bytes: &mut [u8]) -> Option<usize> {
    let &[kind, _, _, a, b, c, d] = bytes.first_chunk::<FRAME_BEGIN>()?;
    let payload = usize::try_from(u32::from_be_bytes([a, b, c, d])).ok()?;
    let length = payload.saturating_add(FRAME_BEGIN + FRAME_END);
    if matches!(kind, legible::METHOD | legible::HEADER) && length <= FRAME_BYTES_MAX {
        legible::make(kind, bytes.get_mut(..length)?.get_mut(FRAME_BEGIN..FRAME_BEGIN + payload)?);
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 0, 1][..], &length, payload, &[0xce]].concat()
    }

    #[test]
    fn frames_are_made_legible_however_they_arrive() {
        let delivery = |key: u8| {
            frame(legible::METHOD, &[0, 60, 0, 60, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, key])
        };
        let frames =
            |key: u8| [delivery(key), frame(3, &[0xff; 99]), frame(8, &[]), delivery(key)].concat();
        let (given, wanted) = (frames(0xff), frames(b'?'));
        for pace in 1..given.len() {
            for room in [1, 7, given.len()] {
                let (mut passing, mut came) = (Frames::default(), Vec::new());
                for read in given.chunks(pace) {
                    passing.push(read);
                    let mut buffer = vec![0; room];
                    while passing.legible > 0 {
                        let count = passing.pop(&mut buffer);
                        came.extend_from_slice(&buffer[..count]);
                    }
                }
                assert_eq!(came, wanted, "{pace} bytes at once");
            }
        }
    }
}
