//! Reads the shapes that a JSON Schema leaves to choose from: follows references, and multiplies
//! out whatever it combines. All of it is limited, since a schema can refer to itself.

use serde_json::{Map, Value};

use super::choice::Choice;

/// Shapes that are told apart; a schema that leaves more to choose from is vague.
pub(super) const CHOICES_MAX: usize = 32;
/// Parts of one shape, and schemas looked at to find the shapes of one: more are vague.
const PARTS_MAX: usize = 32;
const VISITS_MAX: usize = 256;

/// Reads the choices out of a schema.
pub(super) struct Reader<'s> {
    root: &'s Value,
    visits: usize,
}

impl<'s> Reader<'s> {
    pub(super) fn new(root: &'s Value) -> Self {
        Self { root, visits: 0 }
    }

    /// What is left to choose from where all these schemas hold.
    pub(super) fn all_of(
        &mut self,
        schemas: impl IntoIterator<Item = &'s Value>,
    ) -> Vec<Choice<'s>> {
        let start = vec![Choice { root: self.root, parts: Vec::new(), is_vague: false }];
        schemas.into_iter().fold(start, |all, schema| self.and(all, schema))
    }

    /// The choices that remain where one more schema holds.
    fn and(&mut self, before: Vec<Choice<'s>>, schema: &'s Value) -> Vec<Choice<'s>> {
        let after = self.choices(schema);
        if let [only] = after.as_slice()
            && only.parts.is_empty()
            && !only.is_vague
        {
            return before;
        }
        let count = before.len() * after.len();
        let longest = |all: &[Choice<'s>]| all.iter().map(|one| one.parts.len()).max().unwrap_or(0);
        if count > CHOICES_MAX || longest(&before) + longest(&after) > PARTS_MAX {
            return vec![self.vague()];
        }
        let joined = before.iter().flat_map(|one| {
            after.iter().map(move |other| Choice {
                root: one.root,
                parts: [one.parts.as_slice(), &other.parts].concat(),
                is_vague: one.is_vague || other.is_vague,
            })
        });
        joined.collect()
    }

    /// What one schema leaves to choose from.
    fn choices(&mut self, schema: &'s Value) -> Vec<Choice<'s>> {
        self.visits += 1;
        let Value::Object(part) = schema else {
            let nothing = Choice { parts: Vec::new(), is_vague: false, root: self.root };
            return if *schema == Value::Bool(false) { Vec::new() } else { vec![nothing] };
        };
        if self.visits > VISITS_MAX {
            return vec![self.vague()];
        }
        let is_vague = part.contains_key("$dynamicRef") || part.contains_key("$recursiveRef");
        let mut choices = vec![Choice { root: self.root, parts: vec![part], is_vague }];
        if let Some(reference) = part.get("$ref") {
            choices = match self.target(reference) {
                Some(target) => self.and(choices, target),
                None => vec![self.vague()],
            };
        }
        for each in part.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            choices = self.and(choices, each);
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(each)) = part.get(keyword) {
                choices = self.and_any(&choices, each.iter().map(Some));
            }
        }
        if part.contains_key("if") {
            choices = self.and_any(&choices, [part.get("then"), part.get("else")]);
        }
        let dependent = part.get("dependentSchemas").and_then(Value::as_object);
        for each in dependent.into_iter().flat_map(Map::values) {
            choices = self.and_any(&choices, [Some(each), None]);
        }
        choices
    }

    /// The choices that remain where one of several schemas holds; `None` says nothing.
    fn and_any(
        &mut self,
        before: &[Choice<'s>],
        schemas: impl IntoIterator<Item = Option<&'s Value>>,
    ) -> Vec<Choice<'s>> {
        let mut all = Vec::new();
        for schema in schemas {
            match schema {
                Some(schema) => all.extend(self.and(before.to_vec(), schema)),
                None => all.extend(before.iter().cloned()),
            }
            if all.len() > CHOICES_MAX {
                return vec![self.vague()];
            }
        }
        all
    }

    /// What a reference means: a JSON pointer within the same schema.
    fn target(&self, reference: &Value) -> Option<&'s Value> {
        self.root.pointer(reference.as_str()?.strip_prefix('#')?)
    }

    fn vague(&self) -> Choice<'s> {
        Choice { root: self.root, parts: Vec::new(), is_vague: true }
    }
}
