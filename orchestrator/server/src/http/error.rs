//! Refusals: problem documents (RFC 9457) with a stable `code`. What went wrong inside rides beside
//! the answer, is logged once, and is never told to a client.

use std::{fmt, sync::Arc, time::Duration};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use saga_engine::Unavailable;

/// After which a client may try again: a broker or database that restarts takes a few seconds.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// The media type of all refusals.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A request that is refused.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    code: Code,
    detail: String,
    /// Members of their own that some codes have.
    members: Map<String, Value>,
    cause: Option<Cause>,
}

/// What went wrong inside, in the extensions of an answer: for the log alone.
#[derive(Clone, Debug)]
pub(super) struct Cause(Arc<str>);

/// The document.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: Code,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:ident, $title:literal;)+) => {
        /// The stable words by which programs tell refusals apart.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Code {
            $($(#[$doc])* $name,)+
            /// The saga's state does not allow the order; the core's own word says why.
            Refused(&'static str),
        }

        impl Code {
            /// The word.
            pub(super) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                    Self::Refused(code) => code,
                }
            }

            /// The status that goes with it.
            pub(super) const fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)+
                    Self::Refused(_) => StatusCode::CONFLICT,
                }
            }

            const fn title(self) -> &'static str {
                match self {
                    $(Self::$name => $title,)+
                    Self::Refused(_) => "The saga's state does not allow this",
                }
            }
        }
    };
}

codes! {
    /// The body is no JSON, or not the document that is expected.
    InvalidJson = "invalid_json", BAD_REQUEST, "The body is not the JSON that is expected";
    /// A path parameter is no id.
    InvalidId = "invalid_id", BAD_REQUEST, "An id is a UUID";
    /// The path is not text.
    InvalidPath = "invalid_path", BAD_REQUEST, "The path is not text";
    /// A query parameter is unknown or has no meaning.
    InvalidQuery = "invalid_query", BAD_REQUEST, "The query is not understood";
    /// A header has no meaning.
    InvalidHeader = "invalid_header", BAD_REQUEST, "A header is not understood";
    /// The body could not be read to its end.
    BodyIncomplete = "body_incomplete", BAD_REQUEST, "The body ended early";
    /// There is nothing at this path.
    NotFound = "not_found", NOT_FOUND, "There is nothing at this path";
    /// There is no such saga.
    SagaNotFound = "saga_not_found", NOT_FOUND, "There is no such saga";
    /// There is no such dead letter.
    LetterNotFound = "letter_not_found", NOT_FOUND, "There is no such dead letter";
    /// There is no such definition.
    UnknownDefinition = "unknown_definition", NOT_FOUND, "There is no such definition";
    /// The path has other methods.
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "The path has no such method";
    /// The body did not arrive in time.
    RequestTimeout = "request_timeout", REQUEST_TIMEOUT, "The body did not arrive in time";
    /// The business key is in use, by a saga with another input.
    KeyInUse = "key_in_use", CONFLICT, "The key is in use by a saga with another input";
    /// Something else was done with the letter.
    LetterClosed = "letter_closed", CONFLICT, "The dead letter is closed";
    /// Only the beginning of the letter's body was kept.
    LetterCut = "letter_cut", CONFLICT, "The dead letter is not whole";
    /// Nobody knows where the letter came from.
    SourceUnknown = "source_unknown", CONFLICT, "It is not known where the dead letter came from";
    /// The queue that the letter came from is not there.
    QueueMissing = "queue_missing", CONFLICT, "The queue is not there any more";
    /// The body is over the limit.
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    /// The body is not declared to be plain JSON.
    UnsupportedMediaType = "unsupported_media_type", UNSUPPORTED_MEDIA_TYPE,
        "The body must be declared as uncompressed JSON";
    /// The input does not fit the definition.
    InputInvalid = "input_invalid", UNPROCESSABLE_ENTITY,
        "The input does not fit the definition";
    /// The `Idempotency-Key` was used with another input.
    KeyReused = "idempotency_key_reused", UNPROCESSABLE_ENTITY,
        "The Idempotency-Key was used with another input";
    /// An order needs a reason, of bounded length.
    ReasonMissing = "reason_missing", UNPROCESSABLE_ENTITY, "An order needs a reason";
    /// The reason is over the limit.
    ReasonTooLong = "reason_too_long", UNPROCESSABLE_ENTITY, "The reason is too long";
    /// A step that was rejected cannot have an output.
    OutputUnwanted = "output_unwanted", UNPROCESSABLE_ENTITY, "What was rejected has no output";
    /// A bug, or a saga that this program does not understand.
    Internal = "internal", INTERNAL_SERVER_ERROR, "The orchestrator failed";
    /// The saga was written by another version of the program, or is damaged.
    NotUnderstood = "not_understood", INTERNAL_SERVER_ERROR,
        "The saga is not understood by this orchestrator";
    /// The database cannot be asked now.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE, "The orchestrator cannot do it now";
    /// A participant that the saga needs has too much to do.
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "A participant has too much to do";
    /// The broker did not confirm a message.
    Unpublished = "unpublished", SERVICE_UNAVAILABLE, "The broker does not take messages now";
    /// The orchestrator waits for database or broker.
    NotReady = "not_ready", SERVICE_UNAVAILABLE, "The orchestrator is not ready";
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Problem {
    /// A refusal; `detail` says what is wrong this time, for people.
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), members: Map::new(), cause: None }
    }

    /// A refusal whose cause is logged and not told.
    pub(super) fn of_cause(code: Code, detail: &str, cause: impl fmt::Display) -> Self {
        let cause = Some(Cause(cause.to_string().into()));
        Self { cause, ..Self::new(code, detail) }
    }

    /// Adds a member of its own.
    pub(super) fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    /// Adds the way out.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        self.with("hint", hint.into())
    }

    /// A panic, or a task that was lost.
    pub(super) fn internal(cause: impl fmt::Display) -> Self {
        let detail = "this is a bug; the log has more, under the request's id";
        Self::of_cause(Code::Internal, detail, cause)
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        let detail = "the database is away or busy; it may have been done all the same";
        Self::of_cause(Code::Unavailable, detail, error)
            .hint("try again; with the same key nothing starts twice")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { code, detail, members, cause } = self;
        let status = code.status();
        let document = Document {
            kind: format!("urn:saga:problem:{}", code.as_str()),
            title: code.title(),
            status: status.as_u16(),
            detail: &detail,
            code,
            members: &members,
        };
        let body =
            serde_json::to_vec(&document).expect("text keys and JSON values always serialize");
        let mut response = (status, [(header::CONTENT_TYPE, PROBLEM_JSON)], body).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = HeaderValue::from(RETRY_AFTER.as_secs());
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        if let Some(cause) = cause {
            response.extensions_mut().insert(cause);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn a_problem_is_a_document_that_keeps_its_cause_to_itself() {
        let problem = Problem::from(Unavailable("no route to 10.1.2.3".to_owned()));
        let response = problem.with("saga", "/v1/sagas/1").into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let cause = response.extensions().get::<Cause>().expect("it has a cause").to_string();
        assert!(cause.contains("10.1.2.3"), "{cause}");
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        insta::assert_snapshot!(body.replace(",\"", ",
\""), @r#"
        {"type":"urn:saga:problem:unavailable",
        "title":"The orchestrator cannot do it now",
        "status":503,
        "detail":"the database is away or busy; it may have been done all the same",
        "code":"unavailable",
        "hint":"try again; with the same key nothing starts twice",
        "saga":"/v1/sagas/1"}
        "#);
    }
}
