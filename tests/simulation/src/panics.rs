//! Panics of a run: the engine outlives its own, so they are noted where they happen.

use std::{cell::RefCell, sync::Once};

thread_local! {
    static NOTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// From here on the panics of this thread are those of a new run.
pub(crate) fn forget() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            NOTED.with_borrow_mut(|noted| noted.push(panic.to_string()));
            before(panic);
        }));
    });
    NOTED.take();
}

/// The panics since then.
pub(crate) fn take() -> Vec<String> {
    NOTED.take()
}
