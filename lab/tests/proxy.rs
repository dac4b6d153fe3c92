//! The proxy breaks a connection in each way it promises, and heals.

use std::{
    io::ErrorKind,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use lab::{Direction, Proxy, wait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

/// What is waited for happens at once, unless the machine is busy.
const SOON: Duration = Duration::from_secs(30);
/// What must not come is waited for so long: a proxy that lets it pass does it at once.
const NOTHING: Duration = Duration::from_millis(100);

/// A server behind a proxy.
struct Road {
    server: TcpListener,
    proxy: Proxy,
}

impl Road {
    async fn new() -> Result<Self> {
        let server = TcpListener::bind("127.0.0.1:0").await?;
        let proxy = Proxy::start(&server.local_addr()?.to_string())?;
        Ok(Self { server, proxy })
    }

    /// A client, and its connection as the server sees it.
    async fn open(&self) -> Result<(TcpStream, TcpStream)> {
        let client = self.client().await?;
        let (server, _) = timeout(SOON, self.server.accept()).await??;
        Ok((client, server))
    }

    async fn client(&self) -> Result<TcpStream> {
        Ok(TcpStream::connect(("127.0.0.1", self.proxy.port())).await?)
    }
}

/// Sends it and sees it arrive, with nothing before it.
async fn passes(from: &mut TcpStream, to: &mut TcpStream, text: &str) -> Result<()> {
    from.write_all(text.as_bytes()).await?;
    arrives(to, text).await
}

async fn arrives(to: &mut TcpStream, text: &str) -> Result<()> {
    let mut seen = vec![0; text.len()];
    timeout(SOON, to.read_exact(&mut seen)).await??;
    assert_eq!(String::from_utf8(seen)?, text);
    Ok(())
}

async fn is_silent(stream: &mut TcpStream) -> Result<()> {
    let mut byte = [0];
    let read = timeout(NOTHING, stream.read(&mut byte)).await;
    ensure!(read.is_err(), "{read:?} of {byte:?}");
    Ok(())
}

async fn is_reset(stream: &mut TcpStream) -> Result<()> {
    let read = timeout(SOON, stream.read(&mut [0])).await?;
    let kind = read.err().map(|error| error.kind());
    ensure!(kind == Some(ErrorKind::ConnectionReset), "{kind:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_whole_passes_both_ways_to_its_end() -> Result<()> {
    let road = Road::new().await?;
    let (mut client, mut server) = road.open().await?;
    let long = "x".repeat(3_000_000);
    let (mut reading, mut writing) = client.split();
    let there = async {
        writing.write_all(long.as_bytes()).await?;
        writing.shutdown().await
    };
    let and_back = async {
        let mut seen = String::new();
        server.read_to_string(&mut seen).await?;
        server.write_all(seen.as_bytes()).await?;
        server.shutdown().await
    };
    let mut seen = String::new();
    tokio::try_join!(there, and_back, reading.read_to_string(&mut seen))?;
    assert!(seen == long, "{} bytes came back", seen.len());
    let closed = async || (road.proxy.connections() == 0).then_some(());
    wait::until("the end of the connection", SOON, closed).await?;
    Ok(())
}

#[tokio::test]
async fn a_cut_resets_who_is_there_and_nobody_else() -> Result<()> {
    let road = Road::new().await?;
    let (mut one, mut one_server) = road.open().await?;
    let (mut two, mut two_server) = road.open().await?;
    passes(&mut one, &mut one_server, "one").await?;
    passes(&mut two, &mut two_server, "two").await?;
    assert_eq!(road.proxy.connections(), 2);
    road.proxy.cut()?;
    assert_eq!(road.proxy.connections(), 0);
    for stream in [&mut one, &mut one_server, &mut two, &mut two_server] {
        is_reset(stream).await?;
    }
    let (mut client, mut server) = road.open().await?;
    passes(&mut client, &mut server, "again").await?;
    Ok(())
}

#[tokio::test]
async fn who_is_refused_is_taken_after_the_healing() -> Result<()> {
    let road = Road::new().await?;
    let (mut client, mut server) = road.open().await?;
    road.proxy.refuse()?;
    let refused =
        TcpStream::connect(("127.0.0.1", road.proxy.port())).await.expect_err("nobody listens");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    passes(&mut client, &mut server, "the old one goes on").await?;
    road.proxy.heal()?;
    let (mut client, mut server) = road.open().await?;
    passes(&mut client, &mut server, "a new one").await?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_away_is_a_reset() -> Result<()> {
    let road = Road::new().await?;
    drop(road.server);
    match TcpStream::connect(("127.0.0.1", road.proxy.port())).await {
        Ok(mut client) => is_reset(&mut client).await?,
        // It may be as quick as that.
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
    }
    Ok(())
}

#[tokio::test]
async fn a_black_hole_swallows_one_way_until_it_heals() -> Result<()> {
    let road = Road::new().await?;
    let (mut client, mut server) = road.open().await?;
    road.proxy.black_hole(Direction::ToServer);
    client.write_all(b"lost").await?;
    passes(&mut server, &mut client, "the other way").await?;
    is_silent(&mut server).await?;

    road.proxy.black_hole(Direction::ToClient);
    arrives(&mut server, "lost").await?;
    server.write_all(b"unheard").await?;
    drop(server);
    is_silent(&mut client).await?;
    road.proxy.heal()?;
    arrives(&mut client, "unheard").await?;
    assert_eq!(client.read(&mut [0]).await?, 0, "the end is passed on too");
    Ok(())
}

#[tokio::test]
async fn a_black_hole_swallows_who_connects() -> Result<()> {
    let road = Road::new().await?;
    road.proxy.black_hole(Direction::Both);
    let mut client = road.client().await?;
    client.write_all(b"hello?").await?;
    assert!(timeout(NOTHING, road.server.accept()).await.is_err());
    is_silent(&mut client).await?;
    road.proxy.heal()?;
    let (mut server, _) = timeout(SOON, road.server.accept()).await??;
    arrives(&mut server, "hello?").await?;
    Ok(())
}

#[tokio::test]
async fn delay_and_throttle_take_their_time() -> Result<()> {
    let road = Road::new().await?;
    let (mut client, mut server) = road.open().await?;
    let delay = Duration::from_millis(60);
    road.proxy.delay(delay);
    let began = Instant::now();
    passes(&mut client, &mut server, "there").await?;
    passes(&mut server, &mut client, "back").await?;
    assert!(began.elapsed() >= delay * 2, "{:?}", began.elapsed());

    road.proxy.heal()?;
    road.proxy.throttle(1_000);
    let began = Instant::now();
    passes(&mut client, &mut server, &"x".repeat(200)).await?;
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());

    // Who waits is let go by the healing.
    road.proxy.delay(SOON * 10);
    client.write_all(b"late").await?;
    is_silent(&mut server).await?;
    road.proxy.heal()?;
    arrives(&mut server, "late").await?;
    Ok(())
}

#[tokio::test]
async fn it_cuts_once_after_the_bytes_went_by() -> Result<()> {
    let road = Road::new().await?;
    let (mut client, mut server) = road.open().await?;
    let (mut other, mut other_server) = road.open().await?;
    road.proxy.cut_after(Direction::ToServer, b"COMMIT");
    passes(&mut server, &mut client, "COMMIT the other way").await?;
    passes(&mut client, &mut server, "begin; COM").await?;
    assert!(road.proxy.is_armed());
    client.write_all(b"MIT; more").await?;
    arrives(&mut server, "MIT").await?;
    is_reset(&mut server).await?;
    is_reset(&mut client).await?;
    assert!(!road.proxy.is_armed());
    passes(&mut other, &mut other_server, "COMMIT").await?;
    Ok(())
}

#[tokio::test]
async fn it_cuts_before_the_bytes_arrive() -> Result<()> {
    let road = Road::new().await?;
    let (mut client, mut server) = road.open().await?;
    road.proxy.cut_before(Direction::ToClient, b"COMMIT");
    passes(&mut client, &mut server, "COMMIT").await?;
    server.write_all(b"done COMMIT").await?;
    arrives(&mut client, "done ").await?;
    is_reset(&mut client).await?;
    Ok(())
}
