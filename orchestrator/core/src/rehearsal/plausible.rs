//! A plausible value for a JSON Schema: what a rehearsal gives where nobody has given anything.
//! Whether it fits is for the schema to say; this only tries.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Value, json};

/// How deep a value may be nested before it is given up: schemas can name themselves.
const DEPTH_MAX: usize = 16;
/// The longest text and the longest list that are made to reach a minimum.
const LENGTH_MAX: usize = 1_000;

/// A value that the schema ought to accept; `name` is what the value is called, for texts.
pub(super) fn value(schema: &Value, name: &str) -> Option<Value> {
    make(schema, schema, name, 0)
}

/// A schema with what it refers to in its place, as far as that is in the same document.
pub(super) fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    for _ in 0..DEPTH_MAX {
        let reference = schema.get("$ref").and_then(Value::as_str);
        match reference.and_then(|reference| root.pointer(reference.strip_prefix('#')?)) {
            Some(next) => schema = next,
            None => break,
        }
    }
    schema
}

/// What a schema says a value may be; by its other words where it does not.
pub(super) fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ if schema.get("properties").is_some() || schema.get("required").is_some() => {
            vec!["object"]
        }
        _ if schema.get("items").is_some() => vec!["array"],
        _ if schema.get("minimum").is_some() || schema.get("maximum").is_some() => vec!["integer"],
        _ => Vec::new(),
    }
}

fn make(root: &Value, schema: &Value, name: &str, depth: usize) -> Option<Value> {
    let schema = resolved(root, schema);
    if depth > DEPTH_MAX || *schema == Value::Bool(false) {
        return None;
    }
    let first = |key: &str| schema.get(key).and_then(|values| values.get(0));
    let given = first("examples").or(schema.get("default")).or(schema.get("const"));
    if let Some(given) = given.or(first("enum")) {
        return Some(given.clone());
    }
    for key in ["oneOf", "anyOf"] {
        let choices = schema.get(key).and_then(Value::as_array).into_iter().flatten();
        let mut made = choices.filter_map(|choice| make(root, choice, name, depth + 1));
        if let Some(made) = made.next() {
            return Some(made);
        }
    }
    let made = match types(schema).first() {
        Some(&"object") => object(root, schema, depth)?,
        Some(&"array") => array(root, schema, name, depth)?,
        Some(&"integer" | &"number") => number(schema),
        Some(&"boolean") => json!(true),
        Some(&"null") => Value::Null,
        Some(&"string") | None => text(schema, name)?,
        Some(_) => return None,
    };
    let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
    let merge = |whole: Value, part: &Value| match (whole, make(root, part, name, depth + 1)?) {
        (Value::Object(mut whole), Value::Object(part)) => {
            whole.extend(part);
            Some(Value::Object(whole))
        }
        (whole, part) => Some(if types(schema).is_empty() { part } else { whole }),
    };
    parts.into_iter().try_fold(made, merge)
}

/// With all that it may have, not only with what it must have.
fn object(root: &Value, schema: &Value, depth: usize) -> Option<Value> {
    let mut made = Map::new();
    let empty = Map::new();
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
    let required: Vec<_> = required(schema).collect();
    for (name, property) in properties {
        match make(root, property, name, depth + 1) {
            Some(value) => drop(made.insert(name.clone(), value)),
            None if required.contains(&name.as_str()) => return None,
            None => {}
        }
    }
    for name in required {
        if !made.contains_key(name) {
            made.insert(name.to_owned(), json!(name));
        }
    }
    Some(Value::Object(made))
}

/// The properties that an object must have.
pub(super) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    let names = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    names.filter_map(Value::as_str)
}

fn array(root: &Value, schema: &Value, name: &str, depth: usize) -> Option<Value> {
    let length = |key: &str| {
        let length = schema.get(key).and_then(Value::as_u64);
        length.and_then(|length| usize::try_from(length).ok())
    };
    let most = length("maxItems").unwrap_or(LENGTH_MAX);
    let count = length("minItems").unwrap_or(0).max(1).min(most);
    let any = Value::Bool(true);
    let item = schema.get("items").unwrap_or(&any);
    let items = (1..=count.min(LENGTH_MAX)).map(|number| {
        // Texts of a list differ, since some lists want that.
        let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
        make(root, item, &name, depth + 1)
    });
    items.collect::<Option<_>>().map(Value::Array)
}

/// One, or what is nearest to it.
fn number(schema: &Value) -> Value {
    let bound = |key: &str| schema.get(key).and_then(Value::as_f64);
    let is_whole = types(schema).first() == Some(&"integer");
    let step = bound("multipleOf").filter(|step| *step > 0.0);
    let unit = step.unwrap_or(if is_whole { 1.0 } else { 0.5 });
    let least = bound("minimum").into_iter().chain(bound("exclusiveMinimum").map(|it| it + unit));
    let most = bound("maximum").into_iter().chain(bound("exclusiveMaximum").map(|it| it - unit));
    let mut made = least.fold(1.0, f64::max);
    made = most.fold(made, f64::min);
    if let Some(step) = step {
        made = (made / step).ceil() * step;
    } else if is_whole {
        made = made.ceil();
    }
    whole(made).map_or_else(|| json!(made), |number| json!(number))
}

/// A number without a fraction, as JSON writes it.
pub(super) fn whole(number: f64) -> Option<i64> {
    // Beyond this a fraction could not be told any more.
    const EXACT_MAX: f64 = 9_007_199_254_740_991.0;
    let is_whole = number.fract() == 0.0 && number.abs() <= EXACT_MAX;
    if is_whole { format!("{number:.0}").parse().ok() } else { None }
}

fn text(schema: &Value, name: &str) -> Option<Value> {
    let by_format = match schema.get("format").and_then(Value::as_str) {
        Some("uuid") => Some("0199c0de-0000-7000-8000-000000000001"),
        Some("date-time") => Some("2030-01-01T12:00:00Z"),
        Some("date") => Some("2030-01-01"),
        Some("time") => Some("12:00:00Z"),
        Some("duration") => Some("PT1H"),
        Some("email") => Some("somebody@example.com"),
        Some("uri" | "uri-reference" | "iri") => Some("https://example.com/"),
        Some("hostname") => Some("example.com"),
        Some("ipv4") => Some("192.0.2.1"),
        Some("ipv6") => Some("2001:db8::1"),
        _ => None,
    };
    if let Some(text) = by_format {
        return Some(json!(text));
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        return matching(pattern).map(Value::String);
    }
    let length = |key: &str| {
        let length = schema.get(key).and_then(Value::as_u64);
        length.and_then(|length| usize::try_from(length).ok())
    };
    let least = length("minLength").unwrap_or(0).min(LENGTH_MAX);
    let most = length("maxLength").unwrap_or(LENGTH_MAX);
    let name = if name.is_empty() { "text" } else { name };
    let mut text: String = name.chars().chain(std::iter::repeat('x')).take(most).collect();
    let end = name.chars().count().max(least);
    text.truncate(text.char_indices().nth(end).map_or(text.len(), |(at, _)| at));
    Some(Value::String(text))
}

/// A text that a pattern matches.
fn matching(pattern: &str) -> Option<String> {
    let hir = regex_syntax::parse(pattern).ok()?;
    let mut text = String::new();
    spell(&hir, &mut text).then_some(text)
}

fn spell(hir: &Hir, text: &mut String) -> bool {
    if text.len() > LENGTH_MAX {
        return false;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => true,
        HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
            Ok(literal) => {
                text.push_str(literal);
                true
            }
            Err(_) => false,
        },
        HirKind::Class(Class::Unicode(class)) => {
            let mut starts = class.iter().map(|range| range.start());
            let first = class.iter().next().map(|range| range.start());
            let letter = starts.find(char::is_ascii_alphanumeric).or(first);
            text.extend(letter);
            letter.is_some()
        }
        HirKind::Class(Class::Bytes(class)) => {
            let first = class.iter().next().map(|range| char::from(range.start()));
            text.extend(first);
            first.is_some()
        }
        HirKind::Repetition(repetition) => {
            let least = usize::try_from(repetition.min).unwrap_or(usize::MAX);
            let most = repetition.max.map_or(1, |max| max.min(1));
            let times = least.max(usize::try_from(most).unwrap_or(1));
            times <= LENGTH_MAX && (0..times).all(|_| spell(&repetition.sub, text))
        }
        HirKind::Capture(capture) => spell(&capture.sub, text),
        HirKind::Concat(parts) => parts.iter().all(|part| spell(part, text)),
        HirKind::Alternation(choices) => choices.first().is_some_and(|choice| spell(choice, text)),
    }
}
