//! What requests bring: bodies, path parameters, queries and headers, each checked for its form.

use std::{str::FromStr, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::QueryRejection},
    http::{HeaderMap, HeaderName, HeaderValue, header, request::Parts},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use saga_protocol::{Json, SagaId, json, limits};
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use tracing::Span;
use uuid::Uuid;

use super::error::{Code, Problem};

/// How long a body may take to arrive. At the limit of its size that is 70 kB/s.
const BODY_MAX: Duration = Duration::from_secs(15);
/// Where a start says by which key it can be repeated.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Where an order says who gives it. Whoever authenticates in front of the API sets it.
const ACTOR: HeaderName = HeaderName::from_static("saga-actor");
/// Who gives an order that does not say so.
const ANONYMOUS: &str = "anonymous";
const PREFER: HeaderName = HeaderName::from_static("prefer");

/// A body that is JSON, as it was sent, byte for byte.
pub(super) struct JsonBody(pub(super) Json);

/// A body that is this document and nothing more.
pub(super) struct Document<T>(pub(super) T);

/// The saga that the path names.
pub(super) struct SagaPath(pub(super) SagaId);

/// The dead letter that the path names.
pub(super) struct LetterPath(pub(super) Uuid);

/// The last part of the path, decoded.
pub(super) struct NamePath(pub(super) String);

/// A query with known parameters only.
pub(super) struct Parameters<T>(pub(super) T);

/// The `Idempotency-Key`, where there is one: 1 to 255 visible ASCII characters.
pub(super) struct IdempotencyKey(pub(super) Option<String>);

/// Who gives an order.
pub(super) struct Actor(pub(super) String);

/// How long the client prefers to wait for the end, at most [`limits::WAIT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PreferWait(pub(super) Option<Duration>);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = body(request).await?;
        json::read(&bytes).map(Self).map_err(|error| unreadable(&error))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Document<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = body(request).await?;
        // A list would be taken for the fields in their order.
        if bytes.trim_ascii_start().first().is_some_and(|first| *first != b'{') {
            return Err(Problem::new(Code::InvalidJson, "the body must be a JSON object"));
        }
        // Parts of it may go on to the database as they are.
        let document = json::check(&bytes).and_then(|()| serde_json::from_slice(&bytes));
        document.map(Self).map_err(|error| unreadable(&error))
    }
}

/// The bytes of a body that is declared as plain JSON, within the limits of size and time.
async fn body(request: Request) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    check_declared(&parts.headers)?;
    let max = limits::BODY_BYTES_MAX;
    let too_large = || {
        Problem::new(Code::BodyTooLarge, format!("a body has at most {max} bytes"))
            .hint("store what is large elsewhere and pass its address")
    };
    let declared = parts.headers.get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|length| length > max as u64) {
        return Err(too_large());
    }
    match timeout(BODY_MAX, Limited::<Body>::new(body, max).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Code::BodyIncomplete, "the body ended before its end")),
        Err(_) => {
            let detail = format!("a body may take {BODY_MAX:?} to arrive");
            Err(Problem::new(Code::RequestTimeout, detail))
        }
    }
}

fn check_declared(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |detail| Err(Problem::new(Code::UnsupportedMediaType, detail));
    let encoded = headers.get_all(header::CONTENT_ENCODING).iter();
    if encoded.into_iter().any(|encoding| encoding != "identity") {
        return refuse("`Content-Encoding` is not supported: send the body uncompressed");
    }
    let declared = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let mut parts = declared.unwrap_or_default().split(';').map(str::trim);
    if !parts.next().unwrap_or_default().eq_ignore_ascii_case("application/json") {
        return refuse("`Content-Type` must be `application/json`");
    }
    if parts.any(|parameter| !is_utf8(parameter)) {
        return refuse("`charset` must be `utf-8`, in which JSON is exchanged");
    }
    Ok(())
}

/// Whether a parameter of a content type leaves JSON what it is. The standard knows none for it;
/// who names a charset means it.
fn is_utf8(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value.trim().trim_matches('"');
    let is_charset = name.trim().eq_ignore_ascii_case("charset");
    !is_charset || ["utf-8", "utf8"].iter().any(|known| value.eq_ignore_ascii_case(known))
}

/// What is wrong with a body, and where.
fn unreadable(error: &serde_json::Error) -> Problem {
    let problem = Problem::new(Code::InvalidJson, error.to_string());
    problem.with("line", error.line()).with("column", error.column())
}

impl<S: Send + Sync> FromRequestParts<S> for SagaPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id: SagaId = id(parts, state, "a saga").await?;
        Span::current().record("saga.id", tracing::field::display(id));
        Ok(Self(id))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for LetterPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        id(parts, state, "a dead letter").await.map(Self)
    }
}

/// The id that the path names.
async fn id<T: FromStr>(
    parts: &mut Parts,
    state: &(impl Send + Sync),
    whose: &str,
) -> Result<T, Problem> {
    let NamePath(name) = NamePath::from_request_parts(parts, state).await?;
    name.parse().map_err(|_| {
        let shown: String = name.chars().take(limits::KEY_BYTES_MAX).collect();
        Problem::new(Code::InvalidId, format!("`{shown}` is not the id of {whose}"))
    })
}

impl<S: Send + Sync> FromRequestParts<S> for NamePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<String>::from_request_parts(parts, state).await {
            Ok(Path(name)) => Ok(Self(name)),
            Err(_) => Err(Problem::new(Code::InvalidPath, "a part of the path is not UTF-8")),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Parameters<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if !is_text(parts.uri.query().unwrap_or_default()) {
            return Err(Problem::new(Code::InvalidQuery, "a part of the query is not UTF-8"));
        }
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(parameters)) => Ok(Self(parameters)),
            Err(rejection) => Err(Problem::new(Code::InvalidQuery, reason(&rejection))),
        }
    }
}

/// Whether a query is text once it is decoded. The decoder would put something else in the place of
/// what is not.
fn is_text(query: &str) -> bool {
    let mut decoded = Vec::with_capacity(query.len());
    let mut rest = query.as_bytes();
    while let Some((&byte, behind)) = rest.split_first() {
        let escape = behind.get(..2).filter(|_| byte == b'%');
        let code = escape.and_then(|code| std::str::from_utf8(code).ok());
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(escaped) => {
                decoded.push(escaped);
                rest = &behind[2..];
            }
            None => {
                decoded.push(byte);
                rest = behind;
            }
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}

fn reason(rejection: &QueryRejection) -> String {
    let error = std::error::Error::source(rejection);
    error.map_or_else(|| rejection.to_string(), ToString::to_string)
}

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        visible(&parts.headers, &IDEMPOTENCY_KEY).map(Self)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Actor {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let actor = visible(&parts.headers, &ACTOR)?;
        Ok(Self(actor.unwrap_or_else(|| ANONYMOUS.to_owned())))
    }
}

/// A header that is given at most once, as 1 to 255 visible ASCII characters.
fn visible(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.as_bytes();
    let is_fit = !text.is_empty() && text.len() <= limits::KEY_BYTES_MAX;
    if values.next().is_some() || !is_fit || !text.iter().all(u8::is_ascii_graphic) {
        let max = limits::KEY_BYTES_MAX;
        let detail =
            format!("`{name}` takes one value, of 1 to {max} visible ASCII characters, no space");
        return Err(Problem::new(Code::InvalidHeader, detail).with("header", name.as_str()));
    }
    Ok(Some(text.iter().copied().map(char::from).collect()))
}

impl<S: Send + Sync> FromRequestParts<S> for PreferWait {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let values = parts.headers.get_all(PREFER).iter();
        Ok(Self::read(values.filter_map(|value| value.to_str().ok())))
    }
}

impl PreferWait {
    /// RFC 7240: the first `wait` counts, and what has no meaning is ignored.
    fn read<'a>(values: impl Iterator<Item = &'a str>) -> Self {
        let mut preferences = values.flat_map(|value| value.split(','));
        let wait = preferences.find_map(|preference| {
            let preference = preference.split(';').next()?;
            let (name, value) = preference.split_once('=')?;
            name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"'))
        });
        let seconds = wait.and_then(|seconds| u64::from_str(seconds).ok());
        Self(seconds.map(|seconds| Duration::from_secs(seconds).min(limits::WAIT_MAX)))
    }

    /// The `Preference-Applied` that says what was done.
    pub(super) fn applied(self) -> Option<HeaderValue> {
        let seconds = self.0?.as_secs();
        HeaderValue::from_str(&format!("wait={seconds}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefer_is_taken_where_it_has_a_meaning() {
        let cases: [(&[&str], Option<u64>); 9] = [
            (&["wait=10"], Some(10)),
            (&["respond-async, Wait = 5; strict"], Some(5)),
            (&["handling=lenient", "wait=7"], Some(7)),
            (&["wait=\"3\""], Some(3)),
            (&["wait=1, wait=2"], Some(1)),
            (&["wait=3600"], Some(60)),
            (&["wait=soon"], None),
            (&["wait"], None),
            (&["wait=-1"], None),
        ];
        for (values, seconds) in cases {
            let wait = PreferWait::read(values.iter().copied());
            assert_eq!(wait, PreferWait(seconds.map(Duration::from_secs)), "{values:?}");
        }
        let applied = PreferWait(Some(limits::WAIT_MAX)).applied();
        assert_eq!(applied, Some(HeaderValue::from_static("wait=60")));
    }

    #[test]
    fn a_key_is_one_value_of_visible_ascii() {
        let read = |values: &[&[u8]]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap());
            }
            visible(&headers, &IDEMPOTENCY_KEY)
        };
        assert_eq!(read(&[]).unwrap(), None);
        assert_eq!(read(&[b"\"8e03~!\""]).unwrap().as_deref(), Some("\"8e03~!\""));
        assert!(read(&[&[b'k'; 255]]).is_ok());
        let wrong: [&[&[u8]]; 6] =
            [&[b""], &[b"a b"], &["ü".as_bytes()], &[b"a\tb"], &[&[b'k'; 256]], &[b"a", b"a"]];
        for values in wrong {
            assert!(read(values).is_err(), "{values:?}");
        }
    }
}
