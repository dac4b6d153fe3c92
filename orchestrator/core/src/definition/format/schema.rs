//! The format as a JSON Schema, for editors. It says what a file can look like; what only the whole
//! shows (an order of steps, a type of an expression) is said by the check alone.

use saga_protocol::StepKind;
use serde_json::{Map, Value, json};

use super::{
    super::duration, ACTION_BYTES_MAX, COMPENSATION_DETAILS, DEFINITION, EXPOSE, Field,
    NO_COMPENSATION, Object, PATH_BYTES_MAX, PATHS_TAKEN, RETRY, STEP, Takes, VALUE,
};

/// Objects that are written once and referred to, with the names they are referred to by.
const PARTS: [(&str, &Object); 4] =
    [("expose", &EXPOSE), ("value", &VALUE), ("step", &STEP), ("retry", &RETRY)];

const KINDS: [StepKind; 3] = [StepKind::Compensatable, StepKind::Pivot, StepKind::Retriable];

/// The JSON Schema of a definition file.
#[must_use]
pub fn format_schema() -> Value {
    let mut parts: Map<_, _> =
        PARTS.into_iter().map(|(name, part)| (name.to_owned(), object(part))).collect();
    if let Some(Value::Object(step)) = parts.get_mut("step") {
        step.insert("allOf".to_owned(), step_rules());
    }
    parts.insert("template".to_owned(), template());
    parts.insert("schema".to_owned(), schema());
    let mut whole = object(&DEFINITION);
    whole["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    whole["title"] = json!("A saga");
    whole["description"] = json!("A definition: what is done, and how each part of it is undone.");
    whole["$defs"] = Value::Object(parts);
    whole
}

fn object(object: &Object) -> Value {
    let properties = object.fields.iter().map(|field| (field.name.to_owned(), property(field)));
    let mut schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties.collect::<Map<_, _>>(),
    });
    let required: Vec<_> = object.required().collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(field: &Field) -> Value {
    let mut schema = value(&field.takes);
    schema["description"] = json!(field.says);
    if let Takes::Duration { max, .. } = &field.takes {
        let max = duration::write(*max);
        schema["description"] = json!(format!("{} At most `{max}`.", field.says));
    }
    schema
}

fn value(takes: &Takes) -> Value {
    match takes {
        Takes::Text => json!({ "type": "string", "minLength": 1 }),
        Takes::Name => text("^[a-z][a-z0-9_-]{0,62}$"),
        Takes::StepName => text("^[a-z][a-z0-9_]{0,62}$"),
        Takes::StepNames => {
            json!({ "type": "array", "uniqueItems": true, "items": value(&Takes::StepName) })
        }
        Takes::Action => text(&format!("^[A-Za-z][A-Za-z0-9_-]{{0,{}}}$", ACTION_BYTES_MAX - 1)),
        Takes::Path => path(),
        Takes::Kind => json!({ "enum": KINDS, "default": StepKind::Compensatable }),
        Takes::Duration { default, .. } => {
            let mut schema = text("^0*[1-9][0-9]*(ms|s|m|h)$");
            if let Some(default) = default {
                schema["default"] = json!(duration::write(*default));
            }
            schema
        }
        Takes::Integer(range) => {
            json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
        }
        Takes::Number(range) => {
            json!({ "type": "number", "minimum": range.start(), "maximum": range.end() })
        }
        Takes::Expression => json!({ "type": "string", "minLength": 1, "not": {
            "pattern": "^\\$\\{",
        }}),
        Takes::Template => reference("template"),
        Takes::Schema => reference("schema"),
        Takes::Object(object) => reference(name(object)),
        Takes::Objects { each, max } => json!({
            "type": "array", "minItems": 1, "maxItems": max, "items": reference(name(each)),
        }),
    }
}

fn text(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn reference(part: &str) -> Value {
    json!({ "$ref": format!("#/$defs/{part}") })
}

fn name(object: &Object) -> &'static str {
    let found = PARTS.iter().find(|(_, part)| std::ptr::eq(*part, object));
    found.expect("every object below the top is one of the parts").0
}

fn path() -> Value {
    let taken = PATHS_TAKEN.map(|path| path.replace('.', "\\.")).join("|");
    json!({
        "type": "string",
        "maxLength": PATH_BYTES_MAX,
        "pattern": "^(/[A-Za-z0-9._~-]+)+$",
        "not": { "pattern": format!("/\\.\\.?(/|$)|^({taken})(/|$)") },
    })
}

/// Templates are whatever JSON; only keys are taken literally.
fn template() -> Value {
    json!({
        "propertyNames": { "not": { "pattern": "\\$\\{" } },
        "additionalProperties": reference("template"),
        "items": reference("template"),
    })
}

/// As much of the language of JSON Schemas as editors need to complete it: they should not have to
/// fetch anything.
fn schema() -> Value {
    let types =
        json!({ "enum": ["object", "array", "string", "integer", "number", "boolean", "null"] });
    let schemas = json!({ "additionalProperties": reference("schema") });
    let count = json!({ "type": "number", "minimum": 0 });
    json!({
        "type": ["object", "boolean"],
        "properties": {
            "type": { "anyOf": [types, { "type": "array", "items": types }] },
            "description": { "type": "string" },
            "properties": schemas,
            "required": { "type": "array", "items": { "type": "string" } },
            "additionalProperties": reference("schema"),
            "items": { "anyOf": [reference("schema"), { "type": "array" }] },
            "enum": { "type": "array" },
            "const": {},
            "pattern": { "type": "string" },
            "format": { "type": "string" },
            "minLength": count,
            "maxLength": count,
            "minItems": count,
            "maxItems": count,
            "minimum": { "type": "number" },
            "maximum": { "type": "number" },
        },
    })
}

/// What fields of a step mean to each other.
fn step_rules() -> Value {
    let absent = |fields: &[&str]| -> Value {
        fields.iter().map(|field| ((*field).to_owned(), json!(false))).collect::<Map<_, _>>().into()
    };
    let kind = |words: &[StepKind]| {
        let words = json!({ "enum": words });
        json!({ "required": ["kind"], "properties": { "kind": words } })
    };
    let none = json!({
        "required": ["compensation"],
        "properties": { "compensation": { "const": NO_COMPENSATION } },
    });
    let mut undoing = vec!["compensation"];
    undoing.extend(COMPENSATION_DETAILS);
    json!([
        {
            "if": kind(&[StepKind::Pivot, StepKind::Retriable]),
            "then": { "properties": absent(&undoing) },
            "else": { "required": ["compensation"] },
        },
        { "if": kind(&[StepKind::Pivot]), "then": { "properties": absent(&["when"]) } },
        { "if": none, "then": { "properties": absent(&COMPENSATION_DETAILS) } },
    ])
}
