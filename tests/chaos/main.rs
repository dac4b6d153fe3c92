//! Under load whatever can fail fails at random moments; then every saga has ended, nothing is
//! lost, and nothing was done twice. A short form is one of all tests. The long one, with its
//! progress and its report:
//!
//! `cargo build --workspace && SAGA_CHAOS=long cargo run -p lab -- exec -- \
//!     cargo test -p saga-tests --test chaos -- --test-threads 1`
//!
//! `SAGA_CHAOS_REPORT=FILE` adds the report to a file besides.

mod faults;
mod promises;
mod recovery;
mod stopped;

use std::time::Duration;

use anyhow::Result;
use lab::wait;
use saga_bus::Bus;
use saga_protocol::topology;
use saga_tests::World;

/// Copies that were sent again are still handled after the last saga has ended.
const DRAIN_MAX: Duration = Duration::from_secs(60);

/// Waits until no message is left that anybody could still act on.
async fn drained(world: &World) -> Result<()> {
    let bus = world.bus()?;
    let commands = ["payment", "inventory", "shipping"].map(|name| format!("saga.commands.{name}"));
    for queue in commands.iter().map(String::as_str).chain([topology::REPLIES]) {
        wait::until(&format!("`{queue}` to be empty"), DRAIN_MAX, async || {
            (bus.depth(queue).await == Some(0)).then_some(())
        })
        .await?;
    }
    bus.close().await;
    Ok(())
}
