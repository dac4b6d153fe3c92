//! The proxy's thread: it accepts clients, carries their connections, and does what it is told.

use std::{
    io,
    net::TcpListener as StdListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc as answers,
    },
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    task::JoinSet,
};

use super::{
    pump::{flowing, pump},
    rules::{Direction, Rules},
};

/// Connections at once; more than any test's pools ask for. Who comes then waits.
const CONNECTIONS_MAX: usize = 1_024;

/// Something to do, and whom to tell that it is done.
pub(super) struct Order {
    pub(super) what: What,
    pub(super) done: answers::Sender<io::Result<()>>,
}

/// What can be ordered.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Reset all connections.
    Cut,
    /// Take no more.
    Refuse,
    /// Take them again.
    Accept,
}

/// What the thread knows.
pub(super) struct Carrier {
    pub(super) port: u16,
    pub(super) server: String,
    pub(super) rules: Arc<watch::Sender<Rules>>,
    pub(super) open: Arc<AtomicUsize>,
}

impl Carrier {
    /// Runs until nobody is left to give orders.
    pub(super) async fn run(self, std: StdListener, mut orders: mpsc::UnboundedReceiver<Order>) {
        let mut listener = TcpListener::from_std(std).ok();
        let cuts = watch::Sender::new(());
        let mut carried = JoinSet::new();
        loop {
            tokio::select! {
                // An order counts for whoever comes after it.
                biased;
                order = orders.recv() => {
                    let Some(Order { what, done }) = order else { return };
                    let outcome = match what {
                        What::Cut => {
                            cuts.send_replace(());
                            while carried.join_next().await.is_some() {}
                            Ok(())
                        }
                        What::Refuse => {
                            listener = None;
                            Ok(())
                        }
                        What::Accept => self.listen(&mut listener).await,
                    };
                    self.open.store(carried.len(), Ordering::Relaxed);
                    // Whoever gave it waits for the answer.
                    done.send(outcome).ok();
                }
                _ = carried.join_next(), if !carried.is_empty() => {}
                accepted = accept(listener.as_ref()), if carried.len() < CONNECTIONS_MAX => {
                    // A client that is gone before it was taken.
                    let Ok((client, _)) = accepted else { continue };
                    let rules = Arc::clone(&self.rules);
                    carried.spawn(carry(client, self.server.clone(), rules, cuts.subscribe()));
                }
            }
            self.open.store(carried.len(), Ordering::Relaxed);
        }
    }

    async fn listen(&self, listener: &mut Option<TcpListener>) -> io::Result<()> {
        if listener.is_none() {
            *listener = Some(TcpListener::bind(("127.0.0.1", self.port)).await?);
        }
        Ok(())
    }
}

async fn accept(listener: Option<&TcpListener>) -> io::Result<(TcpStream, std::net::SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}

/// Carries one connection to its end, which is a reset unless both sides have ended it.
async fn carry(
    mut client: TcpStream,
    server: String,
    rules: Arc<watch::Sender<Rules>>,
    mut cuts: watch::Receiver<()>,
) {
    let called = tokio::select! {
        biased;
        _ = cuts.changed() => None,
        server = call(&server, &rules) => server.ok(),
    };
    let Some(mut server) = called else { return reset(&client) };
    // Both only save time.
    client.set_nodelay(true).ok();
    server.set_nodelay(true).ok();
    let has_ended = {
        let (mut from_client, mut to_client) = client.split();
        let (mut from_server, mut to_server) = server.split();
        let there = pump(Direction::ToServer, &mut from_client, &mut to_server, &rules);
        let back = pump(Direction::ToClient, &mut from_server, &mut to_client, &rules);
        tokio::select! {
            biased;
            _ = cuts.changed() => false,
            ended = async { tokio::try_join!(there, back) } => ended.is_ok(),
        }
    };
    if !has_ended {
        reset(&client);
        reset(&server);
    }
}

/// Connects to the server, once something may go there.
async fn call(server: &str, rules: &watch::Sender<Rules>) -> io::Result<TcpStream> {
    flowing(Direction::ToServer, &mut rules.subscribe()).await;
    TcpStream::connect(server).await
}

/// The other side learns of the end of this connection as of a failure.
fn reset(stream: &TcpStream) {
    // It fails only for a connection that is broken already.
    stream.set_zero_linger().ok();
}
