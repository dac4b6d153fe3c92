//! The JSON Schema that definitions are written in: draft 2020-12, whole in one place, with
//! references that are JSON pointers within it. What other drafts and other references mean is not
//! what is proven of expressions, so a file that has them is refused.

use super::{
    Schema,
    diagnostic::Findings,
    tree::{Entry, Node, Value},
};

/// The draft, as `$schema` names it.
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Keywords that have a schema or a list of them.
const SCHEMAS: [&str; 16] = [
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "additionalItems",
];
/// Keywords that have schemas by name.
const NAMED: [&str; 5] =
    ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"];
/// Keywords that let a reference mean something else than a place.
const FOREIGN: [&str; 5] =
    ["$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"];

/// Compiles a schema of a file, and reports what is wrong with it.
pub(super) fn parse(node: &Node, findings: &mut Findings<'_>) -> Option<Schema> {
    let is_ours = check(node, true, findings);
    Schema::parse(node, findings).filter(|_| is_ours)
}

/// Reports what the dialect does not have; whether there is nothing.
fn check(node: &Node, is_root: bool, findings: &mut Findings<'_>) -> bool {
    let Value::Map(keywords) = &node.value else {
        return true;
    };
    let mut is_ours = true;
    for keyword in keywords {
        is_ours &= check_keyword(keyword, is_root, findings);
        let name = keyword.key.as_str();
        let below: Vec<&Node> = match &keyword.node.value {
            Value::Map(named) if NAMED.contains(&name) => {
                named.iter().map(|entry| &entry.node).collect()
            }
            Value::List(all) => all.iter().collect(),
            Value::Map(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {
                vec![&keyword.node]
            }
        };
        if !NAMED.contains(&name) && !SCHEMAS.contains(&name) {
            continue;
        }
        for schema in below {
            is_ours &= check(schema, false, findings);
        }
    }
    is_ours
}

fn check_keyword(keyword: &Entry, is_root: bool, findings: &mut Findings<'_>) -> bool {
    let Entry { key, place, node } = keyword;
    if key == "$schema" {
        let Value::Text(draft) = &node.value else { return true };
        let is_ours = draft.trim_end_matches('#') == DRAFT;
        if !is_ours {
            let message =
                format!("schemas are of draft 2020-12 of JSON Schema, and this says `{draft}`");
            let hint = "write it as that draft has it, and leave `$schema` out";
            findings.add_with_hint(node.place, message, hint);
        }
        return is_ours;
    }
    let is_foreign = FOREIGN.contains(&key.as_str()) || (key == "$id" && !is_root);
    if is_foreign {
        let message = format!("`{key}` is not supported within a schema");
        let hint = "put what is shared below `$defs`, and refer to it by its place: \
                    `$ref: '#/$defs/NAME'`";
        findings.add_with_hint(*place, message, hint);
    }
    !is_foreign
}
