//! JSON Schemas: sound, wrong, and such as refer to themselves or take long to compile.

use serde_json::{Map, Value, json};

use super::random::Random;

const TYPES: [&str; 8] =
    ["object", "array", "string", "integer", "number", "boolean", "null", "anything"];

const PATTERNS: [&str; 9] = [
    "^[A-Z]{3}$",
    "(a+)+$",
    "(((a{100}){100}){100})",
    "(?=a)b",
    "(a)\\1",
    "[",
    "\\p{L}{1000}",
    "(x|y|z){500}",
    "",
];

const REFERENCES: [&str; 9] = [
    "#",
    "#/$defs/a",
    "#/$defs/b",
    "#/properties/id",
    "#/nowhere",
    "#a",
    "https://example.com/schema",
    "https://json-schema.org/draft/2020-12/schema",
    "file:///etc/passwd",
];

/// A schema so deep.
pub(crate) fn schema(depth: usize, random: &mut Random) -> Value {
    let mut schema = Map::new();
    for _ in 0..=random.below(4) {
        let (name, value) = keyword(depth, random);
        schema.insert(name.to_owned(), value);
    }
    Value::Object(schema)
}

fn keyword(depth: usize, random: &mut Random) -> (&'static str, Value) {
    let below = |random: &mut Random| match depth {
        0 => json!(random.one_in(2)),
        depth => schema(depth - 1, random),
    };
    match random.below(18) {
        0..=2 => ("type", json!(random.pick(&TYPES))),
        3 => ("type", json!([random.pick(&TYPES), "null"])),
        4 | 5 => {
            let names = ["id", "list", "total", "a", ""];
            let fields = names.iter().take(1 + random.below(5));
            let fields = fields.map(|name| ((*name).to_owned(), below(random)));
            ("properties", Value::Object(fields.collect()))
        }
        6 => ("required", json!([random.pick(&["id", "list", "nowhere"])])),
        7 => ("items", below(random)),
        8 => ("pattern", json!(random.pick(&PATTERNS))),
        9 | 10 => ("$ref", json!(random.pick(&REFERENCES))),
        11 => ("$defs", json!({ "a": below(random), "b": below(random) })),
        12 => {
            let name = ["allOf", "anyOf", "oneOf", "prefixItems"][random.below(4)];
            (name, json!([below(random), below(random)]))
        }
        13 => {
            let name = ["not", "if", "then", "else", "contains", "propertyNames"][random.below(6)];
            (name, below(random))
        }
        14 => ("additionalProperties", below(random)),
        15 => ("$schema", json!("http://json-schema.org/draft-07/schema#")),
        16 => {
            let name = ["minimum", "maxLength", "multipleOf", "minItems"][random.below(4)];
            (name, random.pick(&[json!(0), json!(-1), json!(1e300), json!("1")]).clone())
        }
        _ => {
            let name =
                ["$id", "$anchor", "$dynamicRef", "enum", "const", "format"][random.below(6)];
            (
                name,
                [json!("a"), json!("#a"), json!([1, null]), json!("email")][random.below(4)]
                    .clone(),
            )
        }
    }
}
