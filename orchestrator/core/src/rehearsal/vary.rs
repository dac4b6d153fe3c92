//! Other values than the plausible one: whatever may decide a condition. Only what some condition
//! names is varied, and numbers and texts only to what stands in conditions.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::plausible;
use crate::definition::Definition;

/// The longest list that is made to reach a number in a condition.
const ITEMS_MAX: usize = 50;
/// How deep a value is varied.
const DEPTH_MAX: usize = 8;
/// Numbers and texts of conditions, and members of an `enum`, that are tried: enough for what is
/// written by hand, and each is tried at every place that a condition names.
const HINTS_MAX: usize = 50;
/// Places that are varied: with two alternatives each, pairs of them are more than are tried.
const PLACES_MAX: usize = 50;

/// What the conditions of a definition say.
pub(super) struct Hints {
    words: BTreeSet<String>,
    numbers: Vec<f64>,
    texts: Vec<String>,
}

/// A place in a value, and what could stand there instead; `None` where nothing could.
pub(super) struct Choice {
    pub(super) path: Vec<String>,
    pub(super) instead: Vec<Option<Value>>,
}

impl Hints {
    /// Reads the conditions.
    pub(super) fn of(definition: &Definition) -> Self {
        let mut hints = Self { words: BTreeSet::new(), numbers: vec![], texts: vec![] };
        for when in definition.steps.iter().filter_map(|step| step.when.as_ref()) {
            hints.read(when.source());
        }
        hints
    }

    fn read(&mut self, source: &str) {
        let mut rest = source;
        while let Some(next) = rest.chars().next() {
            let end = match next {
                '"' | '\'' => {
                    let text = rest[1..].split(next).next().unwrap_or("");
                    if self.texts.len() < HINTS_MAX && !self.texts.iter().any(|it| it == text) {
                        self.texts.push(text.to_owned());
                    }
                    text.len() + 2
                }
                '0'..='9' => {
                    let is_part = |c: char| c.is_ascii_digit() || c == '.';
                    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                    let number = rest[..end].parse::<f64>().ok();
                    let number = number.filter(|number| !self.numbers.contains(number));
                    if self.numbers.len() < HINTS_MAX {
                        self.numbers.extend(number);
                    }
                    end
                }
                'a'..='z' | 'A'..='Z' | '_' => {
                    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                    let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                    self.words.insert(rest[..end].to_owned());
                    end
                }
                other => other.len_utf8(),
            };
            rest = rest.get(end..).unwrap_or("");
        }
    }

    /// Every place of a value that may decide a condition.
    pub(super) fn choices(&self, schema: &Value, value: &Value) -> Vec<Choice> {
        let mut choices = Vec::new();
        self.visit(schema, schema, value, &mut Vec::new(), &mut choices);
        choices
    }

    fn visit(
        &self,
        root: &Value,
        schema: &Value,
        value: &Value,
        path: &mut Vec<String>,
        choices: &mut Vec<Choice>,
    ) {
        if path.len() > DEPTH_MAX || choices.len() >= PLACES_MAX {
            return;
        }
        let schema = plausible::resolved(root, schema);
        match value {
            Value::Object(entries) => {
                let required: BTreeSet<_> = plausible::required(schema).collect();
                for (name, value) in entries {
                    let any = Value::Bool(true);
                    let property = schema.get("properties").and_then(|all| all.get(name));
                    let property = plausible::resolved(root, property.unwrap_or(&any));
                    path.push(name.clone());
                    if self.words.contains(name) {
                        let mut instead: Vec<_> =
                            self.instead(property, value).into_iter().map(Some).collect();
                        if !required.contains(&name.as_str()) {
                            instead.push(None);
                        }
                        choices.push(Choice { path: path.clone(), instead });
                    }
                    self.visit(root, property, value, path, choices);
                    path.pop();
                }
            }
            Value::Array(items) => {
                if let (Some(item), Some(first)) = (schema.get("items"), items.first()) {
                    path.push("0".to_owned());
                    self.visit(root, item, first, path, choices);
                    path.pop();
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn instead(&self, schema: &Value, value: &Value) -> Vec<Value> {
        let mut instead: Vec<Value> = Vec::new();
        let members = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        instead.extend(members.take(HINTS_MAX).cloned());
        let types = plausible::types(schema);
        let may_be = |name: &str| types.is_empty() || types.contains(&name);
        if may_be("boolean") {
            instead.extend([json!(true), json!(false)]);
        }
        let near = self.numbers.iter().flat_map(|number| [number - 1.0, *number, number + 1.0]);
        let near: Vec<f64> = near.collect();
        if may_be("integer") || may_be("number") {
            let written = |number: &f64| {
                plausible::whole(*number).map_or_else(|| json!(number), |whole| json!(whole))
            };
            instead.extend(near.iter().map(written));
            instead.push(json!(0));
        }
        if may_be("string") {
            instead.extend(self.texts.iter().map(|text| json!(text)));
            instead.push(json!(""));
        }
        if let Value::Array(items) = value {
            let lengths = near.iter().filter_map(|number| plausible::whole(*number));
            let lengths = lengths.filter_map(|length| usize::try_from(length).ok());
            let item = items.first().cloned().unwrap_or(Value::Null);
            let most = ITEMS_MAX.min(plausible::WORK_MAX / item.to_string().len());
            let lengths: BTreeSet<_> = lengths.chain([0]).filter(|it| *it <= most).collect();
            instead.extend(lengths.iter().map(|length| Value::from(vec![item.clone(); *length])));
        }
        if types.contains(&"null") {
            instead.push(Value::Null);
        }
        instead.retain(|other| other != value);
        let mut distinct = Vec::new();
        for other in instead {
            if !distinct.contains(&other) {
                distinct.push(other);
            }
        }
        distinct
    }
}

impl Choice {
    /// Puts what could stand there there. Nothing happens where the place is gone.
    pub(super) fn make(&self, value: &mut Value, which: usize) {
        let (Some((last, parents)), Some(instead)) =
            (self.path.split_last(), self.instead.get(which))
        else {
            return;
        };
        let mut at = Some(value);
        for parent in parents {
            at = at.and_then(|at| match at {
                Value::Array(items) => items.get_mut(parent.parse::<usize>().ok()?),
                Value::Object(entries) => entries.get_mut(parent),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
            });
        }
        if let Some(Value::Object(entries)) = at {
            match instead {
                Some(instead) => drop(entries.insert(last.clone(), instead.clone())),
                None => drop(entries.remove(last)),
            }
        }
    }
}
