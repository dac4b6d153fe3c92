//! A network that breaks when a test says so: a TCP proxy in front of one server. It runs on a
//! thread of its own, so it goes on while a test blocks and outlives the runtime of the test.

mod carry;
mod pump;
mod rules;

use std::{
    io,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc as answers,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};
use tokio::{
    runtime,
    sync::{mpsc, watch},
};

use crate::{ports, url};

use carry::{Order, What};
use rules::{Place, Rules, Trap};

pub use rules::Direction;

/// Another process may take a port between choosing and binding; more often than this it is
/// something else.
const BINDS_MAX: u32 = 4;

/// A proxy on a port of 127.0.0.1. What it is told holds when the call returns, for the connections
/// of now and for those to come, until [`Proxy::heal`]. Faults add up. All connections end when it
/// is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    rules: Arc<watch::Sender<Rules>>,
    open: Arc<AtomicUsize>,
    /// Never holds more than there are callers: each waits for the answer to its order.
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// One in front of a server, such as `127.0.0.1:5672`. Nothing is connected to before a client
    /// comes.
    ///
    /// # Errors
    /// When no port is free, or no thread can be started.
    pub fn start(server: &str) -> Result<Self> {
        let (listener, port) = bind()?;
        listener.set_nonblocking(true).context("cannot use a port without blocking")?;
        let rules = Arc::new(watch::Sender::new(Rules::default()));
        let open = Arc::new(AtomicUsize::new(0));
        let (orders, inbox) = mpsc::unbounded_channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the proxy's runtime")?;
        let carrier = carry::Carrier {
            port,
            server: server.to_owned(),
            rules: Arc::clone(&rules),
            open: Arc::clone(&open),
        };
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || runtime.block_on(carrier.run(listener, inbox)))
            .context("cannot start the proxy's thread")?;
        Ok(Self { port, rules, open, orders: Some(orders), thread: Some(thread) })
    }

    /// One in front of the server that a URL names.
    ///
    /// # Errors
    /// When the URL names no host and port, or the proxy cannot be started.
    pub fn before(url: &str) -> Result<Self> {
        Self::start(url::address(url).context("a URL of this kind names a host and a port")?)
    }

    /// The port of 127.0.0.1 that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The same URL by way of the proxy.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        url::with_address(url, &format!("127.0.0.1:{}", self.port))
    }

    /// How many connections go through it now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Resets all connections of now. Who connects again is served.
    ///
    /// # Errors
    /// Never, unless the proxy's thread has died.
    pub fn cut(&self) -> Result<()> {
        self.order(What::Cut)
    }

    /// Refuses who connects from now on. Connections of now go on.
    ///
    /// # Errors
    /// Never, unless the proxy's thread has died.
    pub fn refuse(&self) -> Result<()> {
        self.order(What::Refuse)
    }

    /// Whatever is sent arrives so much later, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.rules.send_modify(|rules| rules.delay = delay);
    }

    /// No more than so much passes in each direction of each connection; at least one byte.
    pub fn throttle(&self, bytes_per_second: u32) {
        self.rules.send_modify(|rules| rules.bytes_per_second = Some(bytes_per_second.max(1)));
    }

    /// Connections stay open and nothing flows in this direction, not even their end. What was sent
    /// meanwhile arrives after [`Proxy::heal`], as when packets were lost and are sent again. Who
    /// connects while nothing flows to the server hears nothing of it.
    pub fn black_hole(&self, direction: Direction) {
        self.rules.send_modify(|rules| rules.held = Some(direction));
    }

    /// Resets the next connection on which these bytes go by in this direction, when they have been
    /// passed on and nothing that follows them has. Once; a later call replaces an earlier one.
    ///
    /// # Panics
    /// When there are no bytes to look for.
    pub fn cut_after(&self, direction: Direction, bytes: &[u8]) {
        self.set_trap(Trap::new(direction, bytes, Place::After));
    }

    /// The same, but the bytes do not arrive. With what a server answers, such as `COMMIT`, it has
    /// been done and its answer is lost.
    ///
    /// # Panics
    /// When there are no bytes to look for.
    pub fn cut_before(&self, direction: Direction, bytes: &[u8]) {
        self.set_trap(Trap::new(direction, bytes, Place::Before));
    }

    /// Whether the bytes to cut at have not gone by yet.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.rules.borrow().trap.is_some()
    }

    /// Passes everything on again, to whoever is connected or connects.
    ///
    /// # Errors
    /// When another process has taken the port while it was refusing.
    pub fn heal(&self) -> Result<()> {
        self.rules.send_replace(Rules::default());
        self.order(What::Accept)
    }

    fn set_trap(&self, trap: Trap) {
        self.rules.send_modify(|rules| rules.trap = Some(trap));
    }

    fn order(&self, what: What) -> Result<()> {
        let (done, answer) = answers::channel();
        let orders = self.orders.as_ref().context("the proxy is ending")?;
        orders.send(Order { what, done }).context("the proxy's thread has died")?;
        answer.recv().context("the proxy's thread has died")??;
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Without anybody to give orders it ends.
        self.orders.take();
        if let Some(thread) = self.thread.take() {
            // It can only have panicked, and then said so.
            thread.join().ok();
        }
    }
}

fn bind() -> Result<(TcpListener, u16)> {
    let mut last = io::Error::other("no try was made");
    for _ in 0..BINDS_MAX {
        let port = ports::free_port()?;
        match TcpListener::bind(("127.0.0.1", port)) {
            Ok(listener) => return Ok((listener, port)),
            Err(error) => last = error,
        }
    }
    Err(last).context("cannot listen on a port that was free")
}
