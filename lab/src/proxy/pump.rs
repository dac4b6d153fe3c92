//! One direction of one connection.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::tcp::{ReadHalf, WriteHalf},
    sync::watch,
    time::{Instant, sleep_until},
};

use super::rules::{Direction, Rules};

/// Read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// A throttled direction passes on so many chunks a second, so that it flows instead of stuttering.
const CHUNKS_PER_SECOND: usize = 20;

/// Passes on what is sent until its end, which it passes on too.
///
/// # Errors
/// When the connection is to be reset: it broke, or the bytes to cut it at went by.
pub(super) async fn pump(
    way: Direction,
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    rules: &watch::Sender<Rules>,
) -> io::Result<()> {
    let mut changes = rules.subscribe();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut tail = Vec::new();
    loop {
        flowing(way, &mut changes).await;
        let size = chunk_size(&changes.borrow());
        let read = tokio::select! {
            // What has been forbidden when bytes come holds for them.
            biased;
            _ = changes.changed() => continue,
            read = from.read(&mut buffer[..size]) => read?,
        };
        if read == 0 {
            return to.shutdown().await;
        }
        pace(read, &mut changes).await;
        flowing(way, &mut changes).await;
        let chunk = &buffer[..read];
        if let Some(passed) = sprung(way, rules, &mut tail, chunk) {
            to.write_all(&chunk[..passed]).await?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        to.write_all(chunk).await?;
    }
}

/// Waits until bytes may go this way.
pub(super) async fn flowing(way: Direction, changes: &mut watch::Receiver<Rules>) {
    let flows = |rules: &Rules| !rules.held.is_some_and(|held| held.covers(way));
    // It fails only without a sender, and whoever calls has it.
    changes.wait_for(flows).await.ok();
}

/// Waits as long as so many bytes take, by the rules of the moment.
async fn pace(bytes: usize, changes: &mut watch::Receiver<Rules>) {
    let began = Instant::now();
    loop {
        let due = began + time_for(bytes, &changes.borrow_and_update());
        tokio::select! {
            biased;
            _ = changes.changed() => {}
            () = sleep_until(due) => return,
        }
    }
}

fn time_for(bytes: usize, rules: &Rules) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    let throttled = rules.bytes_per_second.map(|rate| Duration::from_secs(1) * bytes / rate);
    rules.delay + throttled.unwrap_or_default()
}

fn chunk_size(rules: &Rules) -> usize {
    let throttled = rules.bytes_per_second.and_then(|rate| usize::try_from(rate).ok());
    throttled.map_or(CHUNK_BYTES, |rate| (rate / CHUNKS_PER_SECOND).clamp(1, CHUNK_BYTES))
}

/// How much of the chunk is the last to pass, if the bytes to cut at are in it; then nobody else is
/// cut.
fn sprung(
    way: Direction,
    rules: &watch::Sender<Rules>,
    tail: &mut Vec<u8>,
    chunk: &[u8],
) -> Option<usize> {
    let passed = match &rules.borrow().trap {
        Some(trap) if trap.direction.covers(way) => trap.springs_at(tail, chunk),
        _ => {
            tail.clear();
            None
        }
    }?;
    rules.send_modify(|rules| rules.trap = None);
    Some(passed)
}
