//! Schemas of all shapes, and values that they may admit.

use serde_json::{Map, Value, json};

use super::random::Random;

/// The names of fields: few, so that alternatives share some.
pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];
/// The deepest nesting: deeper ones have nothing that these have not.
const DEPTH_MAX: usize = 3;
/// More alternatives than are told apart.
const MANY: usize = 40;

/// The schema of an input: a map mostly.
pub(crate) fn root(is_typed: bool, random: &mut Random) -> Value {
    let mut schema = object(0, is_typed, random);
    schema["$defs"] = json!({ "d": any(1, is_typed, random) });
    if !is_typed && random.one_in(3) {
        schema.as_object_mut().map(|schema| schema.remove("type"));
    }
    schema
}

/// What a reference means.
pub(crate) fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    match schema.get("$ref") {
        Some(_) => &root["$defs"]["d"],
        None => schema,
    }
}

fn any(depth: usize, is_typed: bool, random: &mut Random) -> Value {
    let mut schema = match random.below(if depth < DEPTH_MAX { 16 } else { 5 }) {
        0 => json!({ "type": "string" }),
        1 => json!({ "type": "integer" }),
        2 => json!({ "type": "number" }),
        3 => json!({ "type": "boolean" }),
        4 => json!({ "type": "integer", "enum": [1.0, 2] }),
        5..=8 => object(depth, is_typed, random),
        9 | 10 => list(depth, is_typed, random),
        11 => {
            let others = any(depth + 1, is_typed, random);
            json!({ "type": "object", "additionalProperties": others })
        }
        12 => {
            let key = ["anyOf", "oneOf"][random.below(2)];
            json!({ key: [any(depth + 1, is_typed, random), any(depth + 1, is_typed, random)] })
        }
        13 if depth > 1 => json!({ "$ref": "#/$defs/d" }),
        14 if random.one_in(4) => {
            let mut all: Vec<_> = (0..MANY).map(|n| json!({ "const": n })).collect();
            all.push(any(depth + 1, is_typed, random));
            all.push(json!({ "type": "null" }));
            json!({ "anyOf": all })
        }
        _ => json!({ "allOf": [object(depth, is_typed, random), object(depth, true, random)] }),
    };
    let Some(kind) = schema.get("type").cloned() else { return schema };
    if random.one_in(6) {
        let other = ["null", "string", "object"][random.below(3)];
        schema["type"] = json!([kind, other]);
        if schema["type"][0] == schema["type"][1] {
            schema["type"] = kind;
        }
    } else if !is_typed && random.one_in(3) {
        schema.as_object_mut().map(|schema| schema.remove("type"));
    }
    schema
}

fn object(depth: usize, is_typed: bool, random: &mut Random) -> Value {
    let fields = NAMES.iter().filter(|_| !random.one_in(4)).copied().collect::<Vec<_>>();
    let required: Vec<_> = fields.iter().filter(|_| !random.one_in(3)).copied().collect();
    let fields = fields.into_iter().map(|name| (name.to_owned(), any(depth + 1, is_typed, random)));
    let fields: Map<_, _> = fields.collect();
    let mut schema = json!({ "type": "object", "required": required, "properties": fields });
    if random.one_in(5) {
        schema["additionalProperties"] = json!(false);
    }
    schema
}

fn list(depth: usize, is_typed: bool, random: &mut Random) -> Value {
    let mut schema = json!({ "type": "array", "minItems": random.below(3) });
    if random.one_in(3) {
        let first = [any(depth + 1, is_typed, random), any(depth + 1, is_typed, random)];
        schema["prefixItems"] = json!(first);
    }
    if is_typed || !random.one_in(3) {
        schema["items"] = any(depth + 1, is_typed, random);
    }
    schema
}

/// A value that a schema may admit; whether it does is for the schema to say.
pub(crate) fn value(root: &Value, schema: &Value, depth: usize, random: &mut Random) -> Value {
    let schema = resolved(root, schema);
    // What refers to itself may have no end.
    if depth > 4 * DEPTH_MAX {
        return Value::Null;
    }
    if depth > 2 * DEPTH_MAX || *schema == json!(true) || schema.get("type").is_none() {
        let below = |random: &mut Random, schema| value(root, schema, depth + 1, random);
        let all = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.as_array());
        return match (all, schema.get("allOf")) {
            (Some(all), _) => {
                // The last ones are other than many before them.
                let at = random.below(4);
                let one = all.len().checked_sub(at).and_then(|at| all.get(at));
                below(random, one.unwrap_or(&all[0]))
            }
            (_, Some(all)) => {
                let (mut one, other) = (below(random, &all[0]), below(random, &all[1]));
                if let (Some(one), Value::Object(other)) = (one.as_object_mut(), other) {
                    one.extend(other);
                }
                one
            }
            _ if random.one_in(2) => fields(root, schema, depth, random),
            _ => [json!(null), json!(5), json!("x"), json!([]), json!({}), json!([null])]
                [random.below(6)]
            .clone(),
        };
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => random.pick(kinds).clone(),
        kind => kind.clone(),
    };
    let listed = schema.get("enum").and_then(Value::as_array);
    match kind.as_str() {
        Some("integer") if listed.is_some() => random.pick(&listed.unwrap()[..]).clone(),
        Some("integer") => [json!(0), json!(3), json!(5.0), json!(-0.0)][random.below(4)].clone(),
        Some("number") => [json!(1), json!(5.0), json!(0.5)][random.below(3)].clone(),
        Some("string") => json!(["", "a", "c", "z"][random.below(4)]),
        Some("boolean") => json!(random.one_in(2)),
        Some("array") => items(root, schema, depth, random),
        Some("object") => fields(root, schema, depth, random),
        _ => Value::Null,
    }
}

fn items(root: &Value, schema: &Value, depth: usize, random: &mut Random) -> Value {
    let count = schema["minItems"].as_u64().unwrap_or(0) as usize + random.below(2);
    let of = |at: usize| match (schema["prefixItems"].get(at), schema.get("items")) {
        (Some(first), _) => first.clone(),
        (None, Some(rest)) => rest.clone(),
        (None, None) => json!(true),
    };
    (0..count).map(|at| value(root, &of(at), depth + 1, random)).collect()
}

fn fields(root: &Value, schema: &Value, depth: usize, random: &mut Random) -> Value {
    let mut made = Map::new();
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let others = schema.get("additionalProperties").filter(|others| others.is_object());
    for name in NAMES {
        let named = schema["properties"].get(name).or(others);
        let is_required = required.contains(&json!(name));
        if let Some(named) = named.filter(|_| is_required || random.one_in(2)) {
            made.insert(name.to_owned(), value(root, named, depth + 1, random));
        }
    }
    Value::Object(made)
}
