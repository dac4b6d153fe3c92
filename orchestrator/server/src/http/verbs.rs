//! What operators order: a route for each verb, with the fields that it takes and no others.

use axum::{Extension, Router, extract::State, routing::post};
use saga_core::saga::{Order, Resolution, Verb};
use saga_engine::VerbError;
use saga_protocol::{Json, SagaId, StepName, limits};
use serde::Deserialize;

use super::{
    App,
    error::{Code, Problem},
    extract::{self, Actor, SagaPath},
    sagas::{detached, link, not_found, saga},
    view::Document,
};

/// The body of verbs that are about the saga as a whole.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plain {
    reason: Reason,
}

/// The body of `retry`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retry {
    reason: Reason,
    /// All that wait or are stuck, where it does not say.
    step: Option<StepName>,
}

/// The body of `skip`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Skip {
    reason: Reason,
    step: StepName,
}

/// The body of `resolve`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolve {
    reason: Reason,
    step: StepName,
    #[serde(default)]
    outcome: Found,
    output: Option<Json>,
}

/// What an operator found out. It is not the outcome of a reply: whoever does not know what became
/// of a step cannot resolve it.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Found {
    /// It took effect; of a compensation: it was undone by hand.
    #[default]
    Completed,
    /// It had no effect. Only pivots can be found so.
    Rejected,
}

/// Why somebody orders something.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Reason(String);

/// The routes of all verbs.
pub(super) fn routes() -> Router<App> {
    let plain = |verb: Verb| post(order_plain).layer(Extension(verb));
    Router::new()
        .route("/v1/sagas/{id}/retry", post(retry))
        .route("/v1/sagas/{id}/skip", post(skip))
        .route("/v1/sagas/{id}/resolve", post(resolve))
        .route("/v1/sagas/{id}/cancel", plain(Verb::Cancel))
        .route("/v1/sagas/{id}/abandon", plain(Verb::Abandon))
        .route("/v1/sagas/{id}/pause", plain(Verb::Pause))
        .route("/v1/sagas/{id}/resume", plain(Verb::Resume))
}

async fn order_plain(
    State(app): State<App>,
    SagaPath(id): SagaPath,
    Extension(verb): Extension<Verb>,
    actor: Actor,
    extract::Document(body): extract::Document<Plain>,
) -> Result<Document, Problem> {
    order(app, id, verb, actor, body.reason).await
}

async fn retry(
    State(app): State<App>,
    SagaPath(id): SagaPath,
    actor: Actor,
    extract::Document(body): extract::Document<Retry>,
) -> Result<Document, Problem> {
    order(app, id, Verb::Retry { step: body.step }, actor, body.reason).await
}

async fn skip(
    State(app): State<App>,
    SagaPath(id): SagaPath,
    actor: Actor,
    extract::Document(body): extract::Document<Skip>,
) -> Result<Document, Problem> {
    order(app, id, Verb::Skip { step: body.step }, actor, body.reason).await
}

async fn resolve(
    State(app): State<App>,
    SagaPath(id): SagaPath,
    actor: Actor,
    extract::Document(body): extract::Document<Resolve>,
) -> Result<Document, Problem> {
    let resolution = match (body.outcome, body.output) {
        (Found::Completed, output) => Resolution::Completed { output },
        (Found::Rejected, None) => Resolution::Rejected,
        (Found::Rejected, Some(_)) => {
            let detail =
                "what was rejected has no `output`: leave out `output`, or say `completed`";
            return Err(Problem::new(Code::OutputUnwanted, detail));
        }
    };
    order(app, id, Verb::Resolve { step: body.step, resolution }, actor, body.reason).await
}

/// Carries it out; a saga that is already so is an answer like any other.
async fn order(
    app: App,
    id: SagaId,
    verb: Verb,
    Actor(actor): Actor,
    reason: Reason,
) -> Result<Document, Problem> {
    let order = Order { verb, actor, reason: reason.checked()? };
    let ordered = detached(async move { app.engine.order(id, order).await }).await?;
    ordered.map(|snapshot| saga(&snapshot)).map_err(Problem::from)
}

impl Reason {
    /// The reason, without blanks around it. Nobody sees a control character, so it is one.
    pub(super) fn checked(self) -> Result<String, Problem> {
        let max = limits::ERROR_BYTES_MAX;
        match self.0.trim_matches(|c: char| c.is_whitespace() || c.is_control()) {
            "" => {
                let detail = "`reason` is blank; it is kept in the journal for whoever asks why";
                Err(Problem::new(Code::ReasonMissing, detail))
            }
            reason if reason.len() > max => {
                let detail = format!("`reason` has at most {max} bytes");
                Err(Problem::new(Code::ReasonTooLong, detail))
            }
            reason => Ok(reason.to_owned()),
        }
    }
}

impl From<VerbError> for Problem {
    fn from(error: VerbError) -> Self {
        match error {
            VerbError::NotFound(id) => not_found(id),
            VerbError::Refused { rejection, snapshot } => {
                let code = Code::Refused(rejection.reason());
                let problem = Self::new(code, rejection.to_string());
                let row = snapshot.row;
                problem.with("saga", link(row.id)).with("saga_status", row.status)
            }
            VerbError::NotUnderstood(reason) => Self::new(Code::NotUnderstood, reason)
                .hint("is this orchestrator older than the one that wrote the saga?"),
            VerbError::Unavailable(error) => error.into(),
        }
    }
}
