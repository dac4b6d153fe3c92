//! Dead letters: messages that cannot be processed, which an operator sends on their way again or
//! gives up.

use axum::{
    Router,
    extract::State,
    routing::{get, post},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use saga_engine::{LetterError, is_whole};
use saga_protocol::{Json, Timestamp};
use saga_store::{Closed, DeadLetterRow};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    App,
    error::{Code, Problem},
    extract::{self, Actor, LetterPath, Parameters},
    query::{Cursor, LettersQuery},
    sagas::detached,
    verbs::Reason,
    view::{Document, Page},
};

/// What is done with a letter says why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    reason: Reason,
}

/// A letter in a list.
#[derive(Serialize)]
struct Brief<'a> {
    id: Uuid,
    at: Timestamp,
    /// The queue it came from.
    source: &'a str,
    reason: &'a str,
    /// The saga it is about, as far as it says.
    correlation_id: Option<String>,
    /// `{participant}.{action}`, as far as it says.
    #[serde(rename = "type")]
    kind: Option<String>,
    closed: Option<ClosedView<'a>>,
}

/// A letter, whole.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    brief: Brief<'a>,
    /// Properties by their AMQP names, and headers.
    properties: &'a Json,
    #[serde(flatten)]
    body: Body<'a>,
    /// Whether only the beginning of the body was kept.
    body_cut: bool,
    /// Of the whole body.
    sha256: String,
}

/// The body of a letter: as text where it is text.
#[derive(Serialize)]
#[serde(tag = "body_encoding", content = "body", rename_all = "snake_case")]
enum Body<'a> {
    Text(&'a str),
    Base64(String),
}

/// What became of a letter.
#[derive(Serialize)]
struct ClosedView<'a> {
    at: Timestamp,
    /// `requeued` or `dropped`.
    #[serde(rename = "as")]
    how: &'static str,
    actor: &'a str,
    reason: &'a str,
}

/// The properties that a list shows.
#[derive(Default, Deserialize)]
struct Properties {
    correlation_id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
}

/// The routes of dead letters.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/dead-letters", get(list))
        .route("/v1/dead-letters/{id}", get(show))
        .route("/v1/dead-letters/{id}/requeue", post(requeue))
        .route("/v1/dead-letters/{id}/drop", post(drop_letter))
}

/// `GET /v1/dead-letters`: newest first; those that were closed only where asked for.
async fn list(
    State(app): State<App>,
    Parameters(query): Parameters<LettersQuery>,
) -> Result<Document, Problem> {
    let (which, page) = query.read()?;
    let letters = detached(async move { app.engine.dead_letters(which, &page).await }).await??;
    let views = letters.items.iter().map(Brief::of).collect();
    let cursor = |brief: &Brief<'_>| Cursor { at: brief.at, id: brief.id };
    Ok(Document::of(&Page::new(views, letters.more, cursor)))
}

/// `GET /v1/dead-letters/{id}`.
async fn show(State(app): State<App>, LetterPath(id): LetterPath) -> Result<Document, Problem> {
    let letter = detached(async move { app.engine.dead_letter(id).await }).await??;
    let letter = letter.ok_or(LetterError::NotFound(id))?;
    Ok(Document::of(&Whole::of(&letter)))
}

/// `POST /v1/dead-letters/{id}/requeue`: sends it to the queue it came from, and closes it once the
/// broker has confirmed.
async fn requeue(
    State(app): State<App>,
    LetterPath(id): LetterPath,
    Actor(actor): Actor,
    extract::Document(Envelope { reason }): extract::Document<Envelope>,
) -> Result<Document, Problem> {
    let reason = reason.checked()?;
    let letter = detached(async move { app.engine.requeue(id, actor, reason).await }).await??;
    Ok(Document::of(&Whole::of(&letter)))
}

/// `POST /v1/dead-letters/{id}/drop`: gives it up; it is kept as a record.
async fn drop_letter(
    State(app): State<App>,
    LetterPath(id): LetterPath,
    Actor(actor): Actor,
    extract::Document(Envelope { reason }): extract::Document<Envelope>,
) -> Result<Document, Problem> {
    let reason = reason.checked()?;
    let letter = detached(async move { app.engine.drop_letter(id, actor, reason).await }).await??;
    Ok(Document::of(&Whole::of(&letter)))
}

impl<'a> Brief<'a> {
    fn of(letter: &'a DeadLetterRow) -> Self {
        let Properties { correlation_id, kind } =
            serde_json::from_str(letter.headers.get()).unwrap_or_default();
        Self {
            id: letter.id,
            at: letter.at,
            source: &letter.source,
            reason: &letter.reason,
            correlation_id,
            kind,
            closed: letter.closed.as_ref().map(ClosedView::of),
        }
    }
}

impl<'a> Whole<'a> {
    fn of(letter: &'a DeadLetterRow) -> Self {
        let body = match std::str::from_utf8(&letter.body) {
            Ok(text) => Body::Text(text),
            Err(_) => Body::Base64(BASE64_STANDARD.encode(&letter.body)),
        };
        Self {
            brief: Brief::of(letter),
            properties: &letter.headers,
            body,
            body_cut: !is_whole(letter),
            sha256: letter.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

impl<'a> ClosedView<'a> {
    fn of(closed: &'a Closed) -> Self {
        let Closed { at, how, by, why } = closed;
        Self { at: *at, how: how.as_str(), actor: by, reason: why }
    }
}

impl From<LetterError> for Problem {
    fn from(error: LetterError) -> Self {
        let detail = error.to_string();
        let by_hand = "publish what it stands for by hand, or `resolve` the saga; then drop it";
        match error {
            LetterError::NotFound(_) => Self::new(Code::LetterNotFound, detail)
                .hint("`GET /v1/dead-letters?closed=true` lists all that there are"),
            LetterError::Closed(how) => Self::new(Code::LetterClosed, detail)
                .with("closed_as", how.as_str())
                .hint("what was done with a letter is for good"),
            LetterError::Cut(_) => Self::new(Code::LetterCut, detail).hint(by_hand),
            LetterError::SourceUnknown(source) => {
                Self::new(Code::SourceUnknown, detail).with("source", source).hint(by_hand)
            }
            LetterError::QueueMissing(queue) => Self::new(Code::QueueMissing, detail)
                .with("queue", queue)
                .hint("orchestrators declare it for the participants of their definitions"),
            LetterError::Unpublished(why) => {
                let detail = "the broker is away, blocked or full; the letter is still open";
                Self::of_cause(Code::Unpublished, detail, why).hint("try again once it is ready")
            }
            LetterError::Unavailable(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use saga_protocol::BodyHash;
    use saga_store::ClosedAs;
    use serde_json::{Value, value::RawValue};

    use super::*;

    fn letter(body: &'static [u8]) -> DeadLetterRow {
        let headers = r#"{"type":"payment.charge","correlation_id":"s-1","headers":{"n":1e400}}"#;
        DeadLetterRow {
            id: Uuid::from_u128(7),
            at: Timestamp::from_micros(1_700_000_000_000_000),
            source: "saga.replies".to_owned(),
            reason: "malformed: `saga-step` is missing".to_owned(),
            headers: RawValue::from_string(headers.to_owned()).unwrap(),
            body: body.into(),
            sha256: *BodyHash::of(b"{}").as_bytes(),
            closed: None,
        }
    }

    #[test]
    fn a_letter_is_shown_whole() {
        let closed = Closed {
            at: Timestamp::from_micros(1_700_000_001_000_000),
            how: ClosedAs::Dropped,
            by: "ada".to_owned(),
            why: "a test".to_owned(),
        };
        let letter = DeadLetterRow { closed: Some(closed), ..letter(b"{}") };
        let shown = serde_json::to_string(&Whole::of(&letter)).unwrap();
        insta::assert_snapshot!(shown.replace(",\"", ",\n\""), @r#"
        {"id":"00000000-0000-0000-0000-000000000007",
        "at":"2023-11-14T22:13:20.000000Z",
        "source":"saga.replies",
        "reason":"malformed: `saga-step` is missing",
        "correlation_id":"s-1",
        "type":"payment.charge",
        "closed":{"at":"2023-11-14T22:13:21.000000Z",
        "as":"dropped",
        "actor":"ada",
        "reason":"a test"},
        "properties":{"type":"payment.charge",
        "correlation_id":"s-1",
        "headers":{"n":1e400}},
        "body_encoding":"text",
        "body":"{}",
        "body_cut":false,
        "sha256":"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}
        "#);
    }

    #[test]
    fn a_body_is_text_where_it_is_text_and_says_if_it_is_cut() {
        let shown = |body| {
            let shown = serde_json::to_string(&Whole::of(&letter(body))).unwrap();
            serde_json::from_str::<Value>(&shown.replace("1e400", "1")).unwrap()
        };
        let text = shown(b"{}");
        assert_eq!((&text["body"], &text["body_encoding"]), (&"{}".into(), &"text".into()));
        assert_eq!(text["body_cut"], false);
        let bytes = shown(b"\xff\x00");
        assert_eq!((&bytes["body"], &bytes["body_encoding"]), (&"/wA=".into(), &"base64".into()));
        assert_eq!(bytes["body_cut"], true);
    }
}
