//! One of the shapes that a JSON Schema leaves to choose from: what its keywords say.

use serde_json::{Map, Value};

use super::{
    kinds::Kinds,
    lookup::{Field, Shape},
};

/// The schema that everything satisfies.
pub(super) static ANYTHING: Value = Value::Bool(true);

/// One of the shapes that a value can have.
#[derive(Clone, Debug)]
pub(super) struct Choice<'s> {
    /// Where references begin.
    pub(super) root: &'s Value,
    /// Schemas that all hold, without what they refer to or combine.
    pub(super) parts: Vec<&'s Map<String, Value>>,
    /// Whether there is more to it than was understood.
    pub(super) is_vague: bool,
}

impl<'s> Choice<'s> {
    /// Forgets what it says.
    pub(super) fn blur(&mut self) {
        self.parts.clear();
        self.is_vague = true;
    }

    /// The kinds that it can be of; `None` where nothing is said of them.
    pub(super) fn kinds(&self) -> Option<Kinds> {
        let said = self.parts.iter().flat_map(|part| {
            let types = part.get("type").and_then(Kinds::of_type);
            let only = part.get("const").map(Kinds::of);
            let listed = part.get("enum").and_then(Value::as_array);
            let listed =
                listed.map(|values| values.iter().map(Kinds::of).fold(Kinds::NONE, Kinds::or));
            [types, only, listed]
        });
        said.flatten().reduce(Kinds::and)
    }

    pub(super) fn can_be(&self, kinds: Kinds) -> bool {
        self.kinds().is_none_or(|own| own.meets(kinds))
    }

    pub(super) fn is_possible(&self) -> bool {
        self.can_be(Kinds::ALL)
    }

    pub(super) fn field(&self, name: &str) -> Field<'s> {
        let named = self.parts.iter().filter_map(|part| property(part, name));
        let named: Vec<_> = named.collect();
        let is_required =
            self.parts.iter().any(|part| strings(part, "required").any(|n| n == name));
        let is_forbidden = self.parts.iter().any(|part| forbids(part, name))
            || (named.is_empty()
                && self.parts.iter().any(|part| is_false(part, "unevaluatedProperties")));
        if is_forbidden {
            return Field::Nowhere { names: self.names() };
        }
        let others: Vec<_> = self.parts.iter().flat_map(|part| others(part)).collect();
        if !named.is_empty() || is_required || !others.is_empty() {
            let shape = match (named.is_empty(), others.is_empty()) {
                (true, false) => {
                    Shape::any_of(others.into_iter().map(|one| Shape::below(self.root, [one])))
                }
                _ => Shape::below(self.root, named),
            };
            return match shape.choices.is_empty() {
                true => Field::Nowhere { names: self.names() },
                false => Field::There { shape, may_be_missing: !is_required },
            };
        }
        let names = self.names();
        let is_silent =
            names.is_empty() && !self.parts.iter().any(|p| p.contains_key("properties"));
        if self.is_vague || is_silent { Field::Open } else { Field::Nowhere { names } }
    }

    /// The fields that are named.
    fn names(&self) -> Vec<&'s str> {
        let named = self.parts.iter().flat_map(|part| {
            let properties = part.get("properties").and_then(Value::as_object);
            let possible = properties
                .into_iter()
                .flatten()
                .filter(|(_, schema)| **schema != Value::Bool(false));
            possible.map(|(name, _)| name.as_str()).chain(strings(part, "required"))
        });
        named.collect()
    }

    pub(super) fn item(&self) -> Option<Shape<'s>> {
        let said: Vec<_> = self.parts.iter().flat_map(|part| items(part)).collect();
        if said.is_empty() {
            return None;
        }
        // Items of a tuple differ, and which of them is meant is not known.
        let is_tuple = |part: &&Map<String, Value>| {
            part.contains_key("prefixItems") || part.get("items").is_some_and(Value::is_array)
        };
        if self.parts.iter().any(is_tuple) {
            return Some(Shape::any_of(
                said.into_iter().map(|item| Shape::below(self.root, [item])),
            ));
        }
        Some(Shape::below(self.root, said))
    }
}

/// What a schema says of a field by its name.
fn property<'s>(part: &'s Map<String, Value>, name: &str) -> Option<&'s Value> {
    part.get("properties")?.get(name)
}

/// What a schema says of fields that it does not name; any of it may be what counts. Which of them
/// a pattern means is not looked at.
fn others(part: &Map<String, Value>) -> Vec<&Value> {
    let patterns = part.get("patternProperties").and_then(Value::as_object);
    let rest = ["additionalProperties", "unevaluatedProperties"];
    let rest = rest.iter().filter_map(|keyword| part.get(*keyword));
    let mut others: Vec<_> = rest.collect();
    if patterns.is_some() && others.is_empty() {
        others.push(&ANYTHING);
    }
    others.retain(|schema| **schema != Value::Bool(false));
    others.extend(patterns.into_iter().flat_map(Map::values));
    others
}

/// Whether a schema says that there is no such field.
fn forbids(part: &Map<String, Value>, name: &str) -> bool {
    match property(part, name) {
        Some(schema) => *schema == Value::Bool(false),
        None => is_false(part, "additionalProperties") && !part.contains_key("patternProperties"),
    }
}

fn is_false(part: &Map<String, Value>, keyword: &str) -> bool {
    part.get(keyword) == Some(&Value::Bool(false))
}

fn strings<'s>(part: &'s Map<String, Value>, keyword: &str) -> impl Iterator<Item = &'s str> {
    part.get(keyword).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// What a schema says of items.
fn items(part: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    let keywords = ["prefixItems", "items", "additionalItems", "unevaluatedItems"];
    let said = keywords.into_iter().filter_map(|keyword| part.get(keyword));
    said.flat_map(|said| match said {
        Value::Array(each) => each.as_slice(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            std::slice::from_ref(said)
        }
    })
}
