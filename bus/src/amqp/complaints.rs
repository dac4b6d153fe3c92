//! Says each cause of trouble once in a while instead of at every try: a log that repeats itself
//! every second hides what matters.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::limits::{CAUSES_MAX, SAID_FOR};

/// What is said when a connection stands.
const CONNECTED: &str = "connected";

/// What was said lately, by all connections of a bus: they fail together, and for one cause.
#[derive(Default)]
pub(super) struct Complaints(Mutex<Vec<(String, Instant)>>);

impl Complaints {
    /// Whether this cause is to be said: it has not been, lately.
    pub(super) fn is_news(&self, cause: &str) -> bool {
        let is_news = self.note(cause, Instant::now());
        if is_news {
            // Its end is news too.
            self.said().retain(|(said, _)| said != CONNECTED);
        }
        is_news
    }

    /// Whether it is to be said that all is well: it has not been since the last news.
    pub(super) fn is_relief(&self) -> bool {
        self.note(CONNECTED, Instant::now())
    }

    fn note(&self, what: &str, now: Instant) -> bool {
        let mut said = self.said();
        said.retain(|(_, at)| now.duration_since(*at) < SAID_FOR);
        if said.iter().any(|(before, _)| before == what) {
            return false;
        }
        if said.len() >= CAUSES_MAX {
            said.remove(0);
        }
        said.push((what.to_owned(), now));
        true
    }

    fn said(&self) -> std::sync::MutexGuard<'_, Vec<(String, Instant)>> {
        // Nothing panics with the lock held; if it did, something would be said twice.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once_a_while_and_so_is_its_end() {
        let complaints = Complaints::default();
        assert!(complaints.is_relief() && !complaints.is_relief());
        assert!(complaints.is_news("a") && !complaints.is_news("a"));
        assert!(complaints.is_relief(), "it follows news");
        assert!(!complaints.is_news("a") && !complaints.is_relief());
        assert!(complaints.is_news("b"), "another cause is said at once");
        assert!(complaints.note("a", Instant::now() + SAID_FOR), "and this one again");
        (0..CAUSES_MAX * 2).for_each(|n| assert!(complaints.is_news(&n.to_string())));
        assert_eq!(complaints.said().len(), CAUSES_MAX);
    }
}
