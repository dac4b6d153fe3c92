//! The canonical form: the checked definition as JSON in the format of the files, keys in order,
//! defaults filled in.

use saga_protocol::Json;
use serde_json::{Map, Value, json, value::RawValue};
use sha2::{Digest, Sha256};

use super::{
    Definition, Kind, Retry, Step, duration,
    model::{AtRisk, Expose},
};

/// Bytes of the hash that are shown: 12 hex digits tell any number of versions apart that people
/// make.
const HASH_BYTES: usize = 6;

/// Writes a definition in its canonical form.
pub(super) fn write(definition: &Definition) -> Json {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        fields.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("saga", Some(definition.name.as_str().into()));
    put("description", definition.description.clone().map(Value::from));
    let expose = definition.expose.as_ref();
    put("expose", expose.map(|Expose { path, key }| json!({ "path": path, "key": key.source() })));
    let value = definition.value.as_ref();
    put("value", value.map(|AtRisk { amount, currency }| {
        json!({ "amount": amount.source(), "currency": currency.source() })
    }));
    put("deadline", definition.deadline.map(|deadline| duration::write(deadline).into()));
    put("input", definition.input.as_ref().map(|schema| schema.source().clone()));
    let steps = definition.steps.iter().map(|step| step_fields(definition, step));
    put("steps", Some(steps.collect()));
    put("output", definition.output.as_ref().map(|template| template.source().clone()));
    let mut out = String::new();
    write_sorted(&mut out, &Value::Object(fields));
    RawValue::from_string(out).expect("what is written here is JSON")
}

/// The version of a definition, from its canonical form.
pub(super) fn hash(canonical: &RawValue) -> String {
    let digest = Sha256::digest(canonical.get().as_bytes());
    digest.iter().take(HASH_BYTES).map(|byte| format!("{byte:02x}")).collect()
}

fn step_fields(definition: &Definition, step: &Step) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        fields.extend(value.map(|value| (name.to_owned(), value)));
    };
    let needs = step.needs.iter().map(|&need| definition.steps[need].name.as_str());
    put("name", Some(step.name.as_str().into()));
    put("participant", Some(step.participant.as_str().into()));
    put("action", Some(step.action.clone().into()));
    put("kind", Some(step.kind.word().as_str().into()));
    put("needs", Some(needs.collect()));
    put("when", step.when.as_ref().map(|when| when.source().into()));
    put("query", step.query.clone().map(Value::from));
    put("input", Some(step.input.source().clone()));
    put("output", step.output.as_ref().map(|schema| schema.source().clone()));
    put("timeout", Some(duration::write(step.timeout).into()));
    put("retry", Some(retry_fields(&step.retry)));
    match &step.kind {
        Kind::Compensatable(Some(compensation)) => {
            let input = compensation.input.as_ref();
            put("compensation", Some(compensation.action.clone().into()));
            put("compensation_input", input.map(|template| template.source().clone()));
            put("compensation_timeout", Some(duration::write(compensation.timeout).into()));
            put("compensation_retry", Some(retry_fields(&compensation.retry)));
        }
        Kind::Compensatable(None) => put("compensation", Some("none".into())),
        Kind::Pivot | Kind::Retriable => {}
    }
    Value::Object(fields)
}

fn retry_fields(retry: &Retry) -> Value {
    let Retry { attempts, initial, factor, max } = retry;
    json!({
        "attempts": attempts,
        "initial": duration::write(*initial),
        "factor": factor,
        "max": duration::write(*max),
    })
}

/// JSON without insignificant space, keys in order whatever order the maps keep.
fn write_sorted(out: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                super::payload::separate(out, index);
                write_sorted(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (index, (name, value)) in fields.into_iter().enumerate() {
                super::payload::separate(out, index);
                super::payload::write_text(out, name);
                out.push(':');
                write_sorted(out, value);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string());
        }
    }
}
