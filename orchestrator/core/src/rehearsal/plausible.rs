//! A plausible value for a JSON Schema: what a rehearsal gives where nobody has given anything.
//! Whether it fits is for the schema to say; this only tries.

use std::collections::BTreeSet;

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::{Map, Value, json};

/// How deep a value may be nested before it is given up: schemas can name themselves.
const DEPTH_MAX: usize = 16;
/// The longest text and the longest list that are made to reach a minimum.
const LENGTH_MAX: usize = 1_000;
/// What one value may take to make: its bytes, and one for each schema that is looked at on the
/// way. Far more than a sensible example has, and little enough that a saga can be played thousands
/// of times with it; a few lines of a schema can ask for a million items of a million items each.
pub(super) const WORK_MAX: usize = 16 * 1024;

/// Why no value was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unmade {
    /// There is none, or only by words that are not looked at.
    #[error("its schema asks for more than is understood")]
    Unclear,
    /// It would take more than [`WORK_MAX`].
    #[error("its schema asks for more than {WORK_MAX} bytes, or leaves too much to try")]
    TooMuch,
}

/// How much of what a schema allows is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// All that an object may have, and lists that are not empty.
    All,
    /// Only what must be.
    Least,
}

/// Makes one value.
struct Maker<'s> {
    /// Where references begin.
    root: &'s Value,
    extent: Extent,
    /// What of [`WORK_MAX`] is left.
    left: usize,
}

/// A value that the schema ought to accept: with all that it may have, or where that is too much,
/// with what it must have.
pub(super) fn value(schema: &Value) -> Result<Value, Unmade> {
    let make = |extent| Maker { root: schema, extent, left: WORK_MAX }.make(schema, "", 0);
    match make(Extent::All) {
        Err(Unmade::TooMuch) => make(Extent::Least),
        made => made,
    }
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

/// The properties that an object must have.
pub(super) fn required(schema: &Value) -> impl Iterator<Item = &str> {
    members(schema, "required").filter_map(Value::as_str)
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

impl Maker<'_> {
    fn spend(&mut self, work: usize) -> Result<(), Unmade> {
        self.left = self.left.checked_sub(work).ok_or(Unmade::TooMuch)?;
        Ok(())
    }

    /// `name` is what the value is called, for texts.
    fn make(&mut self, schema: &Value, name: &str, depth: usize) -> Result<Value, Unmade> {
        self.spend(1)?;
        let schema = resolved(self.root, schema);
        if depth > DEPTH_MAX || *schema == Value::Bool(false) {
            return Err(Unmade::Unclear);
        }
        let first = |key: &str| schema.get(key).and_then(|values| values.get(0));
        let given = first("examples").or(schema.get("default")).or(schema.get("const"));
        if let Some(given) = given.or(first("enum")) {
            self.spend(given.to_string().len())?;
            return Ok(given.clone());
        }
        for choice in ["oneOf", "anyOf"].into_iter().flat_map(|key| members(schema, key)) {
            match self.make(choice, name, depth + 1) {
                Err(Unmade::Unclear) => {}
                made => return made,
            }
        }
        let mut made = match types(schema).first() {
            Some(&"object") => self.object(schema, depth)?,
            Some(&"array") => self.array(schema, name, depth)?,
            Some(&"integer" | &"number") => number(schema),
            Some(&"boolean") => json!(true),
            Some(&"null") => Value::Null,
            Some(&"string") | None => self.text(schema, name)?,
            Some(_) => return Err(Unmade::Unclear),
        };
        for part in members(schema, "allOf") {
            made = match (made, self.make(part, name, depth + 1)?) {
                (Value::Object(mut whole), Value::Object(part)) => {
                    whole.extend(part);
                    Value::Object(whole)
                }
                (_, part) if types(schema).is_empty() => part,
                (whole, _) => whole,
            };
        }
        Ok(made)
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Result<Value, Unmade> {
        let mut made = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object);
        let required: BTreeSet<_> = required(schema).collect();
        self.spend(required.len())?;
        for (name, property) in properties.into_iter().flatten() {
            self.spend(name.len())?;
            let is_required = required.contains(name.as_str());
            if !is_required && self.extent == Extent::Least {
                continue;
            }
            match self.make(property, name, depth + 1) {
                Ok(value) => drop(made.insert(name.clone(), value)),
                Err(Unmade::Unclear) if !is_required => {}
                Err(unmade) => return Err(unmade),
            }
        }
        for name in required {
            if !made.contains_key(name) {
                self.spend(2 * name.len())?;
                made.insert(name.to_owned(), json!(name));
            }
        }
        Ok(Value::Object(made))
    }

    fn array(&mut self, schema: &Value, name: &str, depth: usize) -> Result<Value, Unmade> {
        let most = length(schema, "maxItems").unwrap_or(LENGTH_MAX);
        let some = if self.extent == Extent::All { 1 } else { 0 };
        let count = length(schema, "minItems").unwrap_or(0).max(some).min(most);
        let any = Value::Bool(true);
        let item = schema.get("items").unwrap_or(&any);
        let items = (1..=count.min(LENGTH_MAX)).map(|number| {
            // Texts of a list differ, since some lists want that.
            let name = if number == 1 { name.to_owned() } else { format!("{name}-{number}") };
            self.make(item, &name, depth + 1)
        });
        items.collect::<Result<_, _>>().map(Value::Array)
    }

    fn text(&mut self, schema: &Value, name: &str) -> Result<Value, Unmade> {
        let text = match schema.get("format").and_then(Value::as_str).and_then(of_format) {
            Some(text) => text.to_owned(),
            None => match schema.get("pattern").and_then(Value::as_str) {
                Some(pattern) => self.matching(pattern)?,
                None => of_length(schema, name),
            },
        };
        self.spend(text.len())?;
        Ok(Value::String(text))
    }

    /// A text that a pattern matches.
    fn matching(&mut self, pattern: &str) -> Result<String, Unmade> {
        self.spend(pattern.len())?;
        let hir = regex_syntax::parse(pattern).map_err(|_| Unmade::Unclear)?;
        let mut text = String::new();
        self.spell(&hir, &mut text)?;
        Ok(text)
    }

    fn spell(&mut self, hir: &Hir, text: &mut String) -> Result<(), Unmade> {
        self.spend(1)?;
        if text.len() > LENGTH_MAX {
            return Err(Unmade::Unclear);
        }
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => {
                text.push_str(std::str::from_utf8(&literal.0).map_err(|_| Unmade::Unclear)?);
            }
            HirKind::Class(Class::Unicode(class)) => {
                let mut starts = class.iter().map(|range| range.start());
                let first = class.iter().next().map(|range| range.start());
                let letter = starts.find(char::is_ascii_alphanumeric).or(first);
                text.push(letter.ok_or(Unmade::Unclear)?);
            }
            HirKind::Class(Class::Bytes(class)) => {
                let first = class.iter().next().map(|range| char::from(range.start()));
                text.push(first.ok_or(Unmade::Unclear)?);
            }
            HirKind::Repetition(repetition) => {
                let times = repetition.min.max(repetition.max.map_or(1, |max| max.min(1)));
                (0..times).try_for_each(|_| self.spell(&repetition.sub, text))?;
            }
            HirKind::Capture(capture) => self.spell(&capture.sub, text)?,
            HirKind::Concat(parts) => {
                parts.iter().try_for_each(|part| self.spell(part, text))?;
            }
            HirKind::Alternation(choices) => {
                self.spell(choices.first().ok_or(Unmade::Unclear)?, text)?;
            }
        }
        Ok(())
    }
}

fn members<'s>(schema: &'s Value, key: &str) -> impl Iterator<Item = &'s Value> {
    schema.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn length(schema: &Value, key: &str) -> Option<usize> {
    schema.get(key)?.as_u64()?.try_into().ok()
}

fn of_format(format: &str) -> Option<&'static str> {
    Some(match format {
        "uuid" => "0199c0de-0000-7000-8000-000000000001",
        "date-time" => "2030-01-01T12:00:00Z",
        "date" => "2030-01-01",
        "time" => "12:00:00Z",
        "duration" => "PT1H",
        "email" => "somebody@example.com",
        "uri" | "uri-reference" | "iri" => "https://example.com/",
        "hostname" => "example.com",
        "ipv4" => "192.0.2.1",
        "ipv6" => "2001:db8::1",
        _ => return None,
    })
}

/// The name, as long as it must be.
fn of_length(schema: &Value, name: &str) -> String {
    let least = length(schema, "minLength").unwrap_or(0).min(LENGTH_MAX);
    let most = length(schema, "maxLength").unwrap_or(LENGTH_MAX);
    let name = if name.is_empty() { "text" } else { name };
    let end = name.chars().count().max(least).min(most);
    name.chars().chain(std::iter::repeat('x')).take(end).collect()
}
