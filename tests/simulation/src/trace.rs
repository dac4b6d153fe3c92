//! The trace: who did what when, in words, where somebody wants to read it.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use tokio::time::Instant;

use crate::held;

/// The trace of a run. Nothing is written, and nothing formatted, where it is off.
#[derive(Clone)]
pub(crate) struct Trace {
    begun: Instant,
    lines: Option<Arc<Mutex<Vec<String>>>>,
}

impl Trace {
    pub(crate) fn new(is_on: bool) -> Self {
        Self { begun: Instant::now(), lines: is_on.then(Arc::default) }
    }

    pub(crate) fn say<D: fmt::Display>(&self, who: impl fmt::Display, what: impl FnOnce() -> D) {
        if let Some(lines) = &self.lines {
            let at = self.begun.elapsed().as_secs_f64();
            held(lines).push(format!("{at:>10.4} {who:<14} {}", what()));
        }
    }

    pub(crate) fn take(&self) -> Vec<String> {
        self.lines.as_ref().map(|lines| std::mem::take(&mut *held(lines))).unwrap_or_default()
    }
}
