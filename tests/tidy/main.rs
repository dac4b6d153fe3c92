//! The rules of the house, as tests. Whoever breaks one is told where and what to do instead.
//! No rule is about taste alone: each stands in `ARCHITECTURE.md` or keeps the code readable.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod compose;
mod crates;
mod failures;
mod files;
mod places;
mod style;
mod walls;

/// Fails with everything that a rule has found.
fn none(found: &[String]) {
    assert!(found.is_empty(), "{} found:\n{}", found.len(), found.join("\n"));
}
