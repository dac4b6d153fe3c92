//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>), carried through commands and replies
//! unchanged.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A `traceparent` value of version 00; anything else is dropped, as the specification allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceContext(Box<str>);

/// The text is not a `traceparent` of version 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a W3C `traceparent` of version 00")]
pub struct InvalidTraceContext;

impl TraceContext {
    /// The value as it stands in the header.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TraceContext {
    type Err = InvalidTraceContext;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split('-').collect();
        let lengths = [2, 32, 16, 2];
        let hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let shaped = parts.len() == 4
            && parts.iter().zip(lengths).all(|(part, length)| part.len() == length && hex(part));
        let zero = |part: &str| part.bytes().all(|b| b == b'0');
        if shaped && parts[0] == "00" && !zero(parts[1]) && !zero(parts[2]) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidTraceContext)
        }
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TraceContext {
    type Error = InvalidTraceContext;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<TraceContext> for String {
    fn from(trace: TraceContext) -> Self {
        trace.0.into()
    }
}
