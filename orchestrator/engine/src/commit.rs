//! Commits between two points at which a test makes them fail.

use saga_runtime::failpoint::{self, Point};
use saga_store::Error;

/// Has the store commit something. An error that a test orders before it left nothing; one after it
/// leaves open what has happened.
pub(crate) async fn commit<T>(
    before: Point,
    after: Point,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    failpoint::reach(before).map_err(|injected| Error::Transient(injected.to_string()))?;
    let done = work.await?;
    committed(after)?;
    Ok(done)
}

/// Something is committed, unless a test wants that to be in doubt.
pub(crate) fn committed(after: Point) -> Result<(), Error> {
    failpoint::reach(after).map_err(|injected| Error::Unknown(injected.to_string()))
}
