//! Schemas of a definition within the contract: copied, with whatever they refer to beside them, so
//! that every reference leads somewhere.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// The dialect that schemas of definitions are in unless they say otherwise, and the contract's.
pub(super) const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// Schemas looked at to find what holds of one place; more, and the rest is left out.
const VISITS_MAX: usize = 64;

/// Keywords that have a schema, a list of them, and a map of them.
const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
const MAP: [&str; 5] =
    ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];
/// Keywords with which a reference means something else than a place in the same document.
const FOREIGN: [&str; 6] =
    ["$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$id"];
/// Keywords that belong to a whole document.
const WHOLE: [&str; 5] = ["$schema", "$id", "$defs", "definitions", "$vocabulary"];

/// A schema of a definition.
#[derive(Clone, Copy)]
pub(super) struct Source<'d> {
    /// What it is called, such as `order.input`.
    pub(super) name: &'d str,
    pub(super) root: &'d Value,
}

/// What is referred to, by name. Within the contract its place is `#/$defs/NAME`.
pub(super) type Shared = BTreeMap<String, Value>;

impl<'d> Source<'d> {
    /// What holds of the value at a path below it; `None` where nothing is said, or not in a way
    /// that can be copied.
    pub(super) fn at(self, fields: &[String], shared: &mut Shared) -> Option<Value> {
        if !is_plain(self.root, true) {
            return None;
        }
        let mut here = vec![self.root];
        for field in fields {
            let all = self.holding(&here);
            here = all.into_iter().filter_map(|schema| below(schema, field)).collect();
        }
        let mut copies: Vec<Value> = Vec::new();
        for schema in here {
            let copy = self.copy(schema, shared);
            if copy != json!({}) && copy != Value::Bool(true) && !copies.contains(&copy) {
                copies.push(copy);
            }
        }
        match copies.len() {
            0 => None,
            1 => copies.pop(),
            _ => Some(json!({ "allOf": copies })),
        }
    }

    /// All schemas that hold where these do: they, what they refer to, and what they are made of.
    fn holding(self, schemas: &[&'d Value]) -> Vec<&'d Value> {
        let mut all: Vec<&Value> = Vec::new();
        let mut next: Vec<&Value> = schemas.to_vec();
        while let Some(schema) = next.pop() {
            if all.len() == VISITS_MAX || all.iter().any(|known| std::ptr::eq(*known, schema)) {
                continue;
            }
            all.push(schema);
            let reference = schema.get("$ref").and_then(Value::as_str);
            next.extend(reference.and_then(|reference| self.target(reference)));
            next.extend(schema.get("allOf").and_then(Value::as_array).into_iter().flatten());
        }
        all
    }

    fn target(self, reference: &str) -> Option<&'d Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    /// The schema, with references into the contract.
    fn copy(self, schema: &Value, shared: &mut Shared) -> Value {
        let Value::Object(fields) = schema else {
            return schema.clone();
        };
        let mut copy = Map::new();
        for (keyword, value) in fields {
            let keyword = keyword.as_str();
            if keyword == "$ref" || WHOLE.contains(&keyword) {
                continue;
            }
            let value = self.copy_within(keyword, value, shared);
            copy.insert(keyword.to_owned(), value);
        }
        let Some(Value::String(reference)) = fields.get("$ref") else {
            return copy.into();
        };
        let reference = json!({ "$ref": format!("#/$defs/{}", self.share(reference, shared)) });
        if copy.is_empty() {
            return reference;
        }
        // Older dialects overlook whatever stands beside a reference.
        let all = copy.entry("allOf").or_insert_with(|| json!([]));
        if let Value::Array(all) = all {
            all.push(reference);
        }
        copy.into()
    }

    /// What a keyword says, with references into the contract.
    fn copy_within(self, keyword: &str, value: &Value, shared: &mut Shared) -> Value {
        if let Value::Object(each) = value
            && MAP.contains(&keyword)
        {
            let copies = each.iter().map(|(name, it)| (name.clone(), self.copy(it, shared)));
            return Value::Object(copies.collect());
        }
        if let Value::Array(each) = value
            && (LIST.contains(&keyword) || ONE.contains(&keyword))
        {
            return each.iter().map(|schema| self.copy(schema, shared)).collect();
        }
        if ONE.contains(&keyword) { self.copy(value, shared) } else { value.clone() }
    }

    /// Puts what a reference leads to beside the others, once, and names it.
    fn share(self, reference: &str, shared: &mut Shared) -> String {
        let mut name = self.name.to_owned();
        for part in reference.trim_start_matches('#').split('/').filter(|part| !part.is_empty()) {
            if !matches!(part, "$defs" | "definitions") {
                name.push('.');
                name.extend(part.chars().map(|c| if is_word(c) { c } else { '_' }));
            }
        }
        let Some(target) = self.target(reference) else {
            return name;
        };
        // Another place whose name looks the same once its signs are gone.
        let place = format!("{} of `{}`", reference, self.name);
        while shared.get(&name).is_some_and(|known| known.get("$comment") != Some(&json!(place))) {
            name.push('_');
        }
        if !shared.contains_key(&name) {
            // First its place, since it may refer to itself.
            shared.insert(name.clone(), json!({ "$comment": place }));
            let mut copy = self.copy(target, shared);
            if !copy.is_object() {
                copy = json!({ "allOf": [copy] });
            }
            copy["$comment"] = json!(place);
            shared.insert(name.clone(), copy);
        }
        name
    }
}

/// What a schema says of a field.
fn below<'d>(schema: &'d Value, field: &str) -> Option<&'d Value> {
    let named = schema.get("properties").and_then(|properties| properties.get(field));
    let others = || match schema.get("patternProperties") {
        None => schema.get("additionalProperties"),
        Some(_) => None,
    };
    named.or_else(others)
}

/// Whether all references lead to places of the same document, and the dialect is the contract's.
fn is_plain(schema: &Value, is_root: bool) -> bool {
    let Value::Object(fields) = schema else {
        return true;
    };
    let is_foreign = |keyword: &str| {
        FOREIGN.contains(&keyword) && !(is_root && keyword == "$id")
            || keyword == "$schema" && fields[keyword] != DIALECT
    };
    let is_local = |text: &str| (text == "#" || text.starts_with("#/")) && !text.contains('%');
    let leads_away =
        fields.get("$ref").is_some_and(|reference| !reference.as_str().is_some_and(is_local));
    if leads_away || fields.keys().any(|keyword| is_foreign(keyword)) {
        return false;
    }
    fields.iter().all(|(keyword, value)| {
        let keyword = keyword.as_str();
        if let Value::Object(each) = value
            && MAP.contains(&keyword)
        {
            return each.values().all(|schema| is_plain(schema, false));
        }
        if let Value::Array(each) = value
            && (LIST.contains(&keyword) || ONE.contains(&keyword))
        {
            return each.iter().all(|schema| is_plain(schema, false));
        }
        !ONE.contains(&keyword) || is_plain(value, false)
    })
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}
