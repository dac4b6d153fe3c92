//! Reads the shapes that a JSON Schema leaves to choose from: follows references, and multiplies
//! out whatever it combines. All of it is limited, since a schema can refer to itself.

use serde_json::{Map, Value};

use super::choice::Choice;

/// Shapes that are told apart; of a schema that leaves more to choose from only the kinds are
/// known.
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
        let start = vec![Choice::anything(self.root)];
        schemas.into_iter().fold(start, |all, schema| self.and(all, schema))
    }

    /// The choices that remain where one more schema holds.
    fn and(&mut self, mut before: Vec<Choice<'s>>, schema: &'s Value) -> Vec<Choice<'s>> {
        let mut after = self.choices(schema);
        if let [only] = after.as_slice()
            && only.says_nothing()
        {
            return before;
        }
        let longest = |all: &[Choice<'s>]| all.iter().map(|one| one.parts.len()).max().unwrap_or(0);
        if before.len() * after.len() > CHOICES_MAX
            || longest(&before) + longest(&after) > PARTS_MAX
        {
            (before, after) = (Choice::blur(before), Choice::blur(after));
        }
        before.iter().flat_map(|one| after.iter().map(|other| one.and(other))).collect()
    }

    /// What one schema leaves to choose from.
    fn choices(&mut self, schema: &'s Value) -> Vec<Choice<'s>> {
        self.visits += 1;
        let Value::Object(part) = schema else {
            let is_none = *schema == Value::Bool(false);
            return if is_none { Vec::new() } else { vec![Choice::anything(self.root)] };
        };
        let own = Choice { parts: vec![part], ..Choice::anything(self.root) };
        if self.visits > VISITS_MAX {
            return vec![Choice { is_vague: true, ..own }];
        }
        let is_vague = part.contains_key("$dynamicRef") || part.contains_key("$recursiveRef");
        let mut choices = vec![Choice { is_vague, ..own }];
        if let Some(reference) = part.get("$ref") {
            match self.target(reference) {
                Some(target) => choices = self.and(choices, target),
                None => choices.iter_mut().for_each(|choice| choice.is_vague = true),
            }
        }
        for each in part.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            choices = self.and(choices, each);
            if self.visits > VISITS_MAX {
                break;
            }
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
            if self.visits > VISITS_MAX {
                break;
            }
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
            if self.visits > VISITS_MAX {
                // Whatever the rest says, it says it of one of these.
                all.extend(before.iter().map(|choice| Choice { is_vague: true, ..choice.clone() }));
                return Choice::blur(all);
            }
            match schema {
                Some(schema) => all.extend(self.and(before.to_vec(), schema)),
                None => all.extend(before.iter().cloned()),
            }
            if all.len() > CHOICES_MAX {
                all = Choice::blur(all);
            }
        }
        all
    }

    /// What a reference means: a JSON pointer within the same schema.
    fn target(&self, reference: &Value) -> Option<&'s Value> {
        let pointer = reference.as_str()?.strip_prefix('#')?;
        self.root.pointer(pointer).filter(|_| !pointer.contains('%'))
    }
}
