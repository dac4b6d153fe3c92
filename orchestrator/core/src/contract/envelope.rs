//! What is around the bodies: headers, and where messages come from and go.

use saga_protocol::{Phase, StepKind, headers};
use serde_json::{Map, Value, json};

/// The names under which the contract keeps the headers.
pub(super) const COMMAND_HEADERS: &str = "command_headers";
pub(super) const REPLY_HEADERS: &str = "reply_headers";

/// A header: its name, what it means, and its schema.
type Header = (&'static str, &'static str, Value);

fn step() -> Header {
    (headers::STEP, "the step's name", json!({ "type": "string" }))
}

fn phase() -> Header {
    let phases = [Phase::Action, Phase::Compensation, Phase::Query];
    (headers::PHASE, "forward, backward, or what became of it?", json!({ "enum": phases }))
}

fn attempt() -> Header {
    let meaning = "counted per step and phase; for logs, and to be echoed: what is done must not \
                   depend on it";
    (headers::ATTEMPT, meaning, json!({ "type": "integer", "minimum": 1 }))
}

fn hash(meaning: &'static str) -> Header {
    (headers::BODY_SHA256, meaning, json!({ "type": "string", "pattern": "^[0-9a-f]{64}$" }))
}

fn trace() -> Header {
    (headers::TRACEPARENT, "W3C Trace Context, where there is one", json!({ "type": "string" }))
}

fn time(name: &'static str, meaning: &'static str) -> Header {
    (name, meaning, json!({ "type": "string", "format": "date-time" }))
}

/// The headers of every command.
pub(super) fn of_command() -> Value {
    let kinds = [StepKind::Compensatable, StepKind::Pivot, StepKind::Retriable];
    let kind = "whether a refusal is final: of retriable steps it is not";
    let all = [
        (headers::DEFINITION, "the definition's name", json!({ "type": "string" })),
        step(),
        phase(),
        (headers::KIND, kind, json!({ "enum": kinds })),
        attempt(),
        time(headers::STARTED, "when the saga began"),
        hash("SHA-256 of the body: all attempts carry the same bytes"),
        time(headers::DEADLINE, "do not start later than this; answer `failed`, code `expired`"),
        trace(),
    ];
    schema(&all, &[])
}

/// The headers of every reply, echoed from its command.
pub(super) fn of_reply() -> Value {
    schema(
        &[step(), phase(), attempt(), hash("the command's, echoed"), trace()],
        &[headers::BODY_SHA256],
    )
}

fn schema(all: &[Header], optional: &[&str]) -> Value {
    let is_required = |name: &&str| !optional.contains(name) && *name != headers::TRACEPARENT;
    let names = all.iter().map(|(name, ..)| *name);
    let required: Vec<_> = names.filter(is_required).collect();
    let properties: Map<_, _> = all
        .iter()
        .map(|(name, meaning, schema)| {
            let mut schema = schema.clone();
            schema["description"] = json!(meaning);
            ((*name).to_owned(), schema)
        })
        .collect();
    json!({ "type": "object", "required": required, "properties": properties })
}
