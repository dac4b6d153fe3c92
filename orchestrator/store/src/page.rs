//! What a list shows, and in which portions: both the rows and the bytes of a page are limited.

use saga_protocol::{SagaId, Timestamp, limits};
use uuid::Uuid;

/// The payloads of one page, in bytes: what one answer may cost the process that reads it. A page
/// of sagas as they commonly are is far below; of the largest ones it holds a dozen. A single row
/// over it makes a page of its own.
pub const PAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Which sagas a list shows; empty fields do not filter.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// One of these statuses.
    pub statuses: Vec<String>,
    /// This definition.
    pub definition: Option<String>,
    /// A step that is where the saga is now: running, waiting, compensating or needing an operator.
    pub step: Option<String>,
    /// This business key.
    pub key: Option<String>,
    /// Created before this.
    pub created_before: Option<Timestamp>,
}

/// A keyset page.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Continue behind this one.
    pub after: Option<T>,
    /// At most this many.
    pub limit: u32,
}

/// What a page holds.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// The rows; fewer than were asked for where more would be over [`PAGE_BYTES_MAX`], but never
    /// none of some.
    pub items: Vec<T>,
    /// Whether there are more behind the last of them.
    pub more: bool,
}

/// All of a page of sagas, newest first, have smaller ids than this. Ids begin with the
/// milliseconds of their making, so sagas that are too young need not be read to be passed over.
pub(crate) fn newest_first(after: Option<SagaId>, created_before: Option<Timestamp>) -> Uuid {
    let created = created_before.map(|before| {
        let millis = before.after(limits::CLOCK_SKEW_MAX).as_micros() / 1_000;
        Uuid::from_u128(u128::try_from(millis).unwrap_or(0).saturating_add(1) << 80)
    });
    let after = after.map(|id| id.0);
    after.into_iter().chain(created).min().unwrap_or(Uuid::max())
}
