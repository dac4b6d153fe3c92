//! What must never be stored: the checks of the table on Postgres.

use saga_protocol::Timestamp;

use crate::{Error, Start};

/// All of a saga that the checks look at.
pub(super) struct Checked<'a> {
    pub(super) status: &'a str,
    pub(super) version: i64,
    pub(super) paused_at: Option<Timestamp>,
    pub(super) wake_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
}

impl Checked<'_> {
    pub(super) fn check(&self) -> Result<(), Error> {
        let Self { status, version, paused_at, wake_at, finished_at } = self;
        let broken = if !is_active(status) && !is_end(status) && *status != "stuck" {
            "it has a status that there is not"
        } else if *version <= 0 {
            "its version is not positive"
        } else if finished_at.is_some() != is_end(status) {
            "its status does not say whether it has ended"
        } else if is_active(status) && paused_at.is_none() && wake_at.is_none() {
            "it runs and nobody would look at it again"
        } else if finished_at.is_some() && wake_at.is_some() {
            "it has ended and would be looked at"
        } else {
            return Ok(());
        };
        Err(Error::Permanent(format!("a saga was to become `{status}`: {broken}")))
    }
}

/// Text that Postgres does not keep.
pub(super) fn check_text(start: &Start) -> Result<(), Error> {
    let texts = [&start.definition, &start.definition_hash].into_iter();
    let currency = start.value.as_ref().map(|value| &value.1);
    let mut texts = texts.chain(&start.key).chain(&start.idempotency_key).chain(currency);
    if texts.any(|text| text.contains('\0')) {
        return Err(Error::Permanent("a text has a NUL in it".to_owned()));
    }
    Ok(())
}

/// Whether it runs or compensates.
pub(super) fn is_active(status: &str) -> bool {
    ["running", "compensating"].contains(&status)
}

pub(super) fn is_end(status: &str) -> bool {
    status == "completed" || gives_its_key_back(status)
}

/// Whether it ended so that its business key is free again.
pub(super) fn gives_its_key_back(status: &str) -> bool {
    ["compensated", "partly_compensated", "abandoned"].contains(&status)
}
