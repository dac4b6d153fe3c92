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
    /// The kinds that are left of what was too much to be kept.
    pub(super) kinds: Option<Kinds>,
}

impl<'s> Choice<'s> {
    /// What says nothing.
    pub(super) fn anything(root: &'s Value) -> Self {
        Self { root, parts: Vec::new(), is_vague: false, kinds: None }
    }

    pub(super) fn says_nothing(&self) -> bool {
        self.parts.is_empty() && !self.is_vague && self.kinds.is_none()
    }

    /// What both say.
    pub(super) fn and(&self, other: &Self) -> Self {
        Self {
            root: self.root,
            parts: [self.parts.as_slice(), &other.parts].concat(),
            is_vague: self.is_vague || other.is_vague,
            kinds: self.kinds.into_iter().chain(other.kinds).reduce(Kinds::and),
        }
    }

    /// Forgets what these say but for the kinds: those that are named are one choice, and what says
    /// nothing of kinds is another.
    pub(super) fn blur(all: Vec<Self>) -> Vec<Self> {
        let Some(first) = all.first() else { return all };
        let vague = Self { is_vague: true, ..Self::anything(first.root) };
        let known = all.iter().filter_map(Self::kinds).reduce(Kinds::or);
        let known = known.map(|kinds| Self { kinds: Some(kinds), ..vague.clone() });
        let is_silent = all.iter().any(|choice| choice.kinds().is_none());
        known.into_iter().chain(is_silent.then_some(vague)).collect()
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
        said.flatten().chain(self.kinds).reduce(Kinds::and)
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
                false => Field::There { shape, may_be_missing: !is_required, is_open: false },
            };
        }
        let names = self.names();
        let is_silent =
            names.is_empty() && !self.parts.iter().any(|p| p.contains_key("properties"));
        if self.is_vague || is_silent { Field::open() } else { Field::Nowhere { names } }
    }

    /// Whatever any of its fields can be; `None` where it does not say of all of them.
    pub(super) fn any_field(&self) -> Option<Shape<'s>> {
        let closing = ["additionalProperties", "unevaluatedProperties"];
        let is_closed = self.parts.iter().any(|part| closing.iter().any(|k| part.contains_key(*k)));
        if !is_closed || self.is_vague {
            return None;
        }
        let named = self.parts.iter().filter_map(|part| part.get("properties")?.as_object());
        let named = named.flat_map(Map::values);
        let all = named.chain(self.parts.iter().flat_map(|part| others(part)));
        Some(Shape::any_of(all.map(|one| Shape::below(self.root, [one]))))
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

    /// What it says of an item, of any where none is named; `None` where that is nothing.
    pub(super) fn item(&self, at: Option<usize>) -> Option<Shape<'s>> {
        let said: Vec<_> = self.parts.iter().map(|part| items(part, at)).collect();
        let said: Vec<_> = said.into_iter().filter(|said| !said.is_empty()).collect();
        match said.as_slice() {
            [] => None,
            // Where each part says one thing, all of that holds at once.
            all if all.iter().all(|said| said.len() == 1) => {
                Some(Shape::below(self.root, all.iter().flatten().copied()))
            }
            // What one part says of the items is enough, and not all of that holds of each.
            [any, ..] => {
                Some(Shape::any_of(any.iter().map(|item| Shape::below(self.root, [*item]))))
            }
        }
    }

    /// How many items it has at least, where it is a list.
    pub(super) fn items_min(&self) -> usize {
        let said = self.parts.iter().filter_map(|part| part.get("minItems")?.as_u64());
        said.max().and_then(|count| usize::try_from(count).ok()).unwrap_or(0)
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

/// All that a schema says of an item, of any where none is named; nothing where it does not speak
/// of items at all.
fn items(part: &Map<String, Value>, at: Option<usize>) -> Vec<&Value> {
    let first = part.get("prefixItems").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let rest = part.get("items").or(part.get("unevaluatedItems"));
    if first.is_empty() && rest.is_none() {
        return Vec::new();
    }
    let rest = rest.unwrap_or(&ANYTHING);
    match at {
        Some(at) => vec![first.get(at).unwrap_or(rest)],
        None => first.iter().chain([rest]).collect(),
    }
}
