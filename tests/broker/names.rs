//! The broker and the database have names that resolve to several addresses, and not all of them
//! lead there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, ensure};
use lab::{Hosts, Lab};
use saga_tests::{World, check, order};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// Resolves to an address where nobody listens, and then to the servers'.
const NAME: &str = "two.saga.test";
/// Asked for first: by the rules of address selection IPv6 goes before IPv4.
const DEAD: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const LIVE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A table of hosts for this name, where the machine has both addresses.
fn hosts() -> Result<Option<Hosts>> {
    Hosts::make(&Lab::from_env()?.logs(), NAME, &[DEAD, LIVE])
}

#[tokio::test]
async fn of_two_addresses_one_of_which_refuses_the_other_is_taken() -> Result<()> {
    let Some(hosts) = hosts()? else { return Ok(()) };
    let world = World::builder().found_by(NAME, hosts).start().await?;
    assert_eq!(world.place("/orders", &order("o-1")).await?["status"], "completed");
    check(&world.db).await.map(|_| ())
}

#[tokio::test]
async fn of_two_addresses_of_the_broker_one_of_which_swallows_everything_the_other_is_taken()
-> Result<()> {
    let Some(hosts) = hosts()? else { return Ok(()) };
    // Whoever looks for the broker at this address finds a machine that does not answer.
    let url = Lab::from_env()?.vhost().await?.url;
    let port = url.rsplit_once(':').and_then(|(_, rest)| rest.split('/').next()?.parse().ok());
    let _silence = Silence::at(SocketAddr::new(DEAD, port.context("a URL has a port")?)).await?;
    let world = World::builder().found_by(NAME, hosts).start().await?;
    assert_eq!(world.place("/orders", &order("o-1")).await?["status"], "completed");
    check(&world.db).await.map(|_| ())
}

/// An address where connections are neither taken nor refused: as many wait there as may, and the
/// kernel drops what else comes.
struct Silence {
    _listener: TcpListener,
    _waiting: TcpStream,
}

impl Silence {
    async fn at(address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v6()?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        let listener = socket.listen(0)?;
        let waiting = TcpStream::connect(address).await?;
        let next = tokio::time::timeout(
            std::time::Duration::from_millis(500),
            TcpStream::connect(address),
        );
        ensure!(next.await.is_err(), "one more was taken");
        Ok(Self { _listener: listener, _waiting: waiting })
    }
}
