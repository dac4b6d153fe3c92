//! JSON Schemas of inputs and outputs: compiled once, never fetching anything, linear in what they
//! check.

use std::fmt;

use jsonschema::{
    PatternOptions, ValidationError, Validator, error::ValidationErrorKind, paths::Location,
};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{diagnostic::Findings, patterns, tree::Node};

/// Violations told at once; whoever has more begins with these.
const VIOLATIONS_MAX: usize = 20;
/// The longest message of one violation, in characters: it is stored and sent.
const MESSAGE_MAX: usize = 300;

/// The ways out of a schema that is none, by the end of the pointer to what is wrong.
const HINTS: [(&str, &str); 2] = [
    (
        "/type",
        "the types are `object`, `array`, `string`, `integer`, `number`, `boolean` and `null`",
    ),
    ("/pattern", "patterns have no look-around and no back-references: they take linear time"),
];

/// A JSON Schema, compiled.
#[derive(Debug)]
pub struct Schema {
    source: Value,
    validator: Validator,
}

/// What a schema holds against a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The field, as a JSON pointer; empty for the whole value.
    pub pointer: String,
    /// What is wrong with it; never the value itself.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "`{}`: {}", self.pointer, self.message)
    }
}

impl Schema {
    /// Compiles, and reports what is wrong.
    pub(super) fn parse(node: &Node, findings: &mut Findings<'_>) -> Option<Self> {
        let source = node.to_json();
        if !findings.allow_patterns(node.place, patterns::parts(&source)) {
            return None;
        }
        // The `regex` engine takes linear time, whatever the pattern.
        let options = jsonschema::options().offline().with_pattern_options(PatternOptions::regex());
        match options.build(&source) {
            Ok(validator) => Some(Self { source, validator }),
            Err(error) => {
                let pointer = error.instance_path().as_str();
                let (why, hint) = explain(&error, pointer);
                let message = format!("this is not a JSON Schema: {}", shorten(why));
                findings.push(node.nearest(pointer).place, message, hint);
                None
            }
        }
    }

    /// The schema as it is written.
    #[must_use]
    pub fn source(&self) -> &Value {
        &self.source
    }

    /// Checks a value.
    ///
    /// # Errors
    /// The violations, at most twenty.
    pub fn validate(&self, json: &RawValue) -> Result<(), Vec<Violation>> {
        let value: Value = serde_json::from_str(json.get()).map_err(|error| {
            let message = format!("the value cannot be read: {error}");
            vec![Violation { pointer: String::new(), message }]
        })?;
        let errors = self.validator.iter_errors(&value);
        let violations: Vec<_> =
            errors.take(VIOLATIONS_MAX).map(|error| violation(&error)).collect();
        if violations.is_empty() { Ok(()) } else { Err(violations) }
    }
}

/// Why something is not a schema, and the way out where there is an obvious one.
fn explain(error: &ValidationError<'_>, pointer: &str) -> (String, Option<String>) {
    if let ValidationErrorKind::Referencing(_) = error.kind() {
        let hint = "a schema is whole: put what others share below `$defs`, or use YAML's anchors";
        return ("it refers to what is not in it".to_owned(), Some(hint.to_owned()));
    }
    let found = error.instance();
    let is_type = matches!(error.kind(), ValidationErrorKind::Type { .. });
    if is_type && pointer.is_empty() {
        let hint = "write it as `{ type: object }`";
        return (format!("that is a map, and this is `{found}`"), Some(hint.to_owned()));
    }
    let hint = HINTS.iter().find(|(end, _)| pointer.ends_with(end));
    let is_choice = matches!(error.kind(), ValidationErrorKind::AnyOf { .. });
    let why = if is_choice { format!("`{found}` cannot stand here") } else { error.to_string() };
    (why, hint.map(|(_, hint)| (*hint).to_owned()))
}

fn violation(error: &ValidationError<'_>) -> Violation {
    if let ValidationErrorKind::Required { property: Value::String(name) } = error.kind() {
        let missing: Location = error.instance_path().join(name.as_str());
        return Violation {
            pointer: missing.as_str().to_owned(),
            message: "is missing".to_owned(),
        };
    }
    let pointer = error.instance_path().as_str().to_owned();
    Violation { pointer, message: shorten(error.masked().to_string()) }
}

fn shorten(mut message: String) -> String {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_MAX) {
        message.truncate(end);
        message.push('…');
    }
    message
}
