//! Waiting for something to become so, with a deadline: the one place with a poll interval.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Between two looks. Short enough not to be felt, long enough to leave two cores to the thing
/// waited for.
pub(crate) const INTERVAL: Duration = Duration::from_millis(20);

/// Looks until `look` finds something.
///
/// # Errors
/// When the deadline passes first; the message says `what` was waited for.
pub async fn until<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if began.elapsed() >= deadline {
            bail!("waited {deadline:?} in vain for: {what}");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// The same for code that cannot await, such as `Drop`: whether it became so in time.
pub fn blocking(deadline: Duration, mut look: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    loop {
        if look() {
            return true;
        }
        if began.elapsed() >= deadline {
            return false;
        }
        std::thread::sleep(INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn finds_what_comes_and_names_what_does_not() {
        let mut looks = 0;
        let found = until("the third look", Duration::from_secs(5), async || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.await.expect("it comes"), 3);
        let missed = until::<()>("nothing", Duration::ZERO, async || None).await;
        assert!(missed.expect_err("it never comes").to_string().contains("nothing"));
    }
}
