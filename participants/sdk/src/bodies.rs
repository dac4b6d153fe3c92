//! The bodies of replies that the SDK writes by itself.

use saga_protocol::{Fault, Outcome, ReplyBody};

use crate::{Doubt, Refusal, codes};

/// Of a compensation that finds nothing to undo.
const NOTHING_TO_UNDO: &str = r#"{"nothing_to_undo":true}"#;

pub(crate) fn rejected(refusal: Refusal) -> ReplyBody {
    ReplyBody::not_completed(Outcome::Rejected, refusal.into())
}

pub(crate) fn failed(code: &'static str, message: String) -> ReplyBody {
    ReplyBody::not_completed(Outcome::Failed, Fault::new(code, message).bounded())
}

pub(crate) fn unknown(doubt: Doubt) -> ReplyBody {
    ReplyBody::not_completed(Outcome::Unknown, doubt.into())
}

pub(crate) fn nothing_to_undo() -> ReplyBody {
    let output = serde_json::value::RawValue::from_string(NOTHING_TO_UNDO.to_owned());
    let output = output.expect("the constant is JSON");
    ReplyBody::completed(Some(output))
}

pub(crate) fn compensated_already() -> ReplyBody {
    let message = "its compensation came first: it never takes effect";
    rejected(Refusal::new(codes::COMPENSATED_ALREADY, message))
}

/// The reply as the barrier stores it.
pub(crate) fn text(body: &ReplyBody) -> String {
    String::from_utf8_lossy(&body.to_bytes()).into_owned()
}
