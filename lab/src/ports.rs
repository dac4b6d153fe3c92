//! Free ports for private servers.

use std::{collections::BTreeSet, net::TcpListener, sync::Mutex};

use anyhow::{Result, bail};
use rand::RngExt;

/// Above the ports of well-known services and below 32768, where Linux begins to hand out ports for
/// outgoing connections: one of those could take ours between two starts.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

/// So many ports in a row that are taken mean that something else is wrong.
const TRIES_MAX: u32 = 1_000;

/// A port of 127.0.0.1 that is free now and that this process has not been given before. Another
/// process may still take it first: whoever binds it tries again with another.
///
/// # Errors
/// When none is found.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    for _ in 0..TRIES_MAX {
        let port = rand::rng().random_range(RANGE);
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return Ok(port);
        }
    }
    bail!("no free port of 127.0.0.1 between {} and {}", RANGE.start, RANGE.end)
}
