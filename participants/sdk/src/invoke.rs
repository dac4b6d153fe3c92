//! Runs a handler, with everything that it may do to us kept off.

use std::{any::Any, panic::AssertUnwindSafe, time::Duration};

use anyhow::anyhow;
use futures_util::FutureExt;
use saga_protocol::{Json, limits};
use tokio::time::timeout;

use crate::{
    Error, Refusal,
    attempt::{Trouble, sort_with},
    codes,
    handler::Stop,
};

/// What a handler answers: an output, or a decided no.
pub(crate) type Said = Result<Json, Refusal>;

/// Runs it to its end, or for as long as it may take.
pub(crate) async fn run(
    handler: impl Future<Output = Result<Json, Stop>>,
    within: Duration,
) -> Result<Said, Trouble> {
    let guarded = AssertUnwindSafe(handler).catch_unwind();
    let ended = timeout(within, guarded).await.map_err(|_| {
        let error = anyhow!("the handler took longer than {within:?}");
        Trouble::Failed(codes::HANDLER_TIMEOUT, error)
    })?;
    let result = ended.map_err(|panic| {
        Trouble::Failed(codes::HANDLER_PANICKED, anyhow!("the handler panicked: {}", said(&*panic)))
    })?;
    match result {
        Ok(output) if output.get().len() > limits::OUTPUT_BYTES_MAX => {
            let (bytes, max) = (output.get().len(), limits::OUTPUT_BYTES_MAX);
            let error = anyhow!("the output has {bytes} bytes, more than the limit of {max}");
            Err(Trouble::Failed(codes::BAD_OUTPUT, error))
        }
        Ok(output) => Ok(Ok(output)),
        Err(Stop::Handler(Error::Refused(refusal))) => Ok(Err(refusal)),
        Err(Stop::Handler(Error::Failed(error))) => Err(sort_with(codes::HANDLER_FAILED, error)),
        Err(Stop::Handler(Error::Unknown(doubt))) => Err(Trouble::Doubtful(doubt)),
        Err(Stop::BadInput(error)) => Err(Trouble::Failed(codes::BAD_INPUT, error.into())),
        Err(Stop::BadOutput(error)) => Err(Trouble::Failed(codes::BAD_OUTPUT, error.into())),
    }
}

/// What a panic said, where it said something.
fn said(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("nothing")
}
