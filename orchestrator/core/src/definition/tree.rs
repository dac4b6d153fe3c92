//! A document as a tree in which every key and value knows where it stands, so that whatever is
//! wrong can be pointed at.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Number, Value as Json};
use serde_saphyr::{Location, Options, Spanned};

/// Values of one document. The largest sensible definition has some thousands.
const NODES_MAX: usize = 50_000;
/// Aliases of one document, each of which repeats what it names.
const ALIASES_MAX: usize = 1_000;
/// Nesting of values. Below what JSON readers take, so that the canonical form can be read again.
const DEPTH_MAX: usize = 64;

/// Where something stands, both from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) column: u32,
}

/// A value and where it stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

/// Why there is no tree.
#[derive(Debug)]
pub(super) struct Unreadable {
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) hint: Option<&'static str>,
}

impl Place {
    /// The beginning of a document.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    pub(super) fn right_by(self, columns: u32) -> Self {
        Self { column: self.column.saturating_add(columns), ..self }
    }

    fn of(location: Location) -> Self {
        let number = |value| u32::try_from(value).unwrap_or(u32::MAX).max(1);
        Self { line: number(location.line()), column: number(location.column()) }
    }
}

impl Node {
    /// Reads one YAML (or JSON) document, within limits that no sensible definition meets.
    pub(super) fn of_yaml(text: &str) -> Result<Self, Unreadable> {
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
            let place = error.location().map_or(Place::START, Place::of);
            let message = explain(&error);
            match RETOLD.iter().find(|retold| message.contains(retold.said)) {
                Some(Retold { told, hint, .. }) => {
                    let message = told.map_or(message, str::to_owned);
                    Unreadable { place, message, hint: Some(hint) }
                }
                None => Unreadable { place, message, hint: None },
            }
        })
    }

    /// A value that stands nowhere in particular.
    pub(super) fn of_json(value: Json) -> Self {
        let value = match value {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(value) => Value::Number(value),
            Json::String(value) => Value::Text(value),
            Json::Array(items) => Value::List(items.into_iter().map(Self::of_json).collect()),
            Json::Object(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| {
                        let node = Self::of_json(value);
                        Entry { key, place: Place::START, node }
                    })
                    .collect(),
            ),
        };
        Self { place: Place::START, value }
    }

    pub(super) fn to_json(&self) -> Json {
        match &self.value {
            Value::Null => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Number(value) => Json::Number(value.clone()),
            Value::Text(value) => Json::String(value.clone()),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json())).collect()
            }
        }
    }

    /// The value that a JSON pointer names, or the nearest that there is on the way to it.
    pub(super) fn nearest(&self, pointer: &str) -> &Self {
        let Some((segment, rest)) = split_pointer(pointer) else {
            return self;
        };
        let next = match &self.value {
            Value::Map(entries) => {
                entries.iter().find(|entry| entry.key == segment).map(|e| &e.node)
            }
            Value::List(items) => segment.parse().ok().and_then(|index: usize| items.get(index)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => None,
        };
        next.map_or(self, |next| next.nearest(rest))
    }
}

impl Value {
    /// What this is, to be said of something that should be something else.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_nodes: NODES_MAX,
            max_aliases: ALIASES_MAX,
            max_anchors: ALIASES_MAX,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 2 * NODES_MAX,
        },
        // `country: NO` is text.
        strict_booleans: true,
    }
}

/// What is said of a second document.
const ANOTHER: &str = "a file has one definition, and here begins another";

/// What the YAML reader says, and how that is told to somebody who writes a definition.
struct Retold {
    said: &'static str,
    /// Where what it says is not clear enough.
    told: Option<&'static str>,
    hint: &'static str,
}

const RETOLD: [Retold; 9] = [
    Retold { said: ANOTHER, told: None, hint: "give each a file of its own" },
    Retold {
        said: "mapping values are not allowed",
        told: Some("a colon and a space end a key, and here cannot be one"),
        hint: "put the whole text into quotes, or mend the indentation",
    },
    Retold {
        said: "did not find expected '-' indicator",
        told: Some("this belongs neither to the item of the list above nor to the list"),
        hint: "indent it as the fields of the item are",
    },
    Retold {
        said: "tabs disallowed",
        told: Some("YAML is not indented by tabs"),
        hint: "indent it by spaces",
    },
    Retold {
        said: "unknown anchor",
        told: Some("nothing has this name"),
        hint: "`*name` repeats what `&name` stands before, further above",
    },
    Retold {
        said: "recursive references",
        told: Some("this would repeat itself for ever"),
        hint: "a value cannot contain itself; write out as many levels as there can be",
    },
    Retold {
        said: "merge value must be",
        told: Some("`<<` takes over the fields of a map, and this is none"),
        hint: "name a map: `<<: *name`",
    },
    Retold {
        said: "expected string scalar",
        told: Some("a key is text"),
        hint: "write it as JSON would have it",
    },
    Retold {
        said: "non-finite float",
        told: Some("JSON has no such number"),
        hint: "put it into quotes, or leave it out",
    },
];

/// What is wrong, without the place: that is told by itself.
fn explain(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;

    let error = error.without_snippet();
    if let Error::AliasError { error, .. } = error {
        return explain(error);
    }
    if let Error::DuplicateMappingKey { key: Some(key), .. } = error {
        return format!("`{key}` is said twice");
    }
    if let Error::Budget { breach: serde_saphyr::budget::BudgetBreach::Documents { .. }, .. } =
        error
    {
        return ANOTHER.to_owned();
    }
    if let Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } = error {
        return too_much();
    }
    let plain = serde_saphyr::render_options! { snippets: serde_saphyr::SnippetMode::Off };
    let message = error.render_with_options(plain);
    let message = message.split(" at line ").next().unwrap_or(&message);
    if message.contains("recursion limit") { too_much() } else { message.to_owned() }
}

fn too_much() -> String {
    format!(
        "this is more than a definition may have: one document of at most {NODES_MAX} values, \
         {ALIASES_MAX} aliases and {DEPTH_MAX} levels"
    )
}

fn split_pointer(pointer: &str) -> Option<(String, &str)> {
    let pointer = pointer.strip_prefix('/')?;
    let end = pointer.find('/').unwrap_or(pointer.len());
    let (segment, rest) = pointer.split_at(end);
    Some((segment.replace("~1", "/").replace("~0", "~"), rest))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spanned { value, referenced, .. } = Spanned::deserialize(deserializer)?;
        Ok(Self { place: Place::of(referenced), value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value that JSON has")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        let number = Number::from_f64(value);
        number.map(Value::Number).ok_or_else(|| E::custom("JSON has no such number"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = access.next_entry::<Spanned<String>, Node>()? {
            entries.push(Entry { place: Place::of(key.referenced), key: key.value, node });
        }
        Ok(Value::Map(entries))
    }
}
