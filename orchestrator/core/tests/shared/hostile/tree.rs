//! Changes of a definition as a value: it stays YAML, so that what comes after the reading is met.

use serde_json::{Value, json};

use super::{
    expressions::{expression, template},
    random::Random,
    schemas::schema,
};

/// The deepest nesting that is made: about twice what is taken.
const DEPTH_MAX: usize = 150;

const NAMES: [&str; 24] = [
    "saga",
    "description",
    "expose",
    "value",
    "deadline",
    "input",
    "steps",
    "output",
    "name",
    "participant",
    "kind",
    "action",
    "compensation",
    "compensation_input",
    "compensation_timeout",
    "compensation_retry",
    "needs",
    "when",
    "query",
    "timeout",
    "retry",
    "attempts",
    "path",
    "key",
];

/// Changes one thing somewhere, perhaps to something out of another definition.
pub(crate) fn change(tree: &mut Value, other: &Value, random: &mut Random) {
    let donor = place(&mut other.clone(), random).clone();
    let at = place(tree, random);
    match random.below(9) {
        0 | 1 => *at = donor,
        2 | 3 => *at = value(random),
        4 => *at = json!(expression(random)),
        5 => *at = json!(template(random)),
        6 => *at = schema(random.count(6), random),
        7 => {
            let depth = random.count(DEPTH_MAX);
            for _ in 0..depth {
                let inner = at.take();
                *at = if random.one_in(2) { json!([inner]) } else { json!({ "a": inner }) };
            }
        }
        _ => fields(at, donor, random),
    }
}

/// Adds, removes, renames or repeats.
fn fields(at: &mut Value, donor: Value, random: &mut Random) {
    match at {
        Value::Object(entries) => {
            let names: Vec<_> = entries.keys().cloned().collect();
            let name = names.get(random.below(names.len())).cloned().unwrap_or_default();
            match random.below(3) {
                0 => drop(entries.remove(&name)),
                1 => drop(entries.insert((*random.pick(&NAMES)).to_owned(), donor)),
                _ => {
                    let value = entries.remove(&name).unwrap_or_default();
                    entries.insert((*random.pick(&NAMES)).to_owned(), value);
                }
            }
        }
        Value::Array(items) => match random.below(3) {
            0 if !items.is_empty() => drop(items.remove(random.below(items.len()))),
            1 => items.insert(random.below(items.len()), donor),
            _ => {
                let times = random.count(100);
                *items =
                    items.iter().cycle().take(items.len() * times).take(500).cloned().collect();
            }
        },
        _ => *at = donor,
    }
}

fn value(random: &mut Random) -> Value {
    match random.below(16) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2 => json!(0),
        3 => json!(-1),
        4 => json!(u64::MAX),
        5 => json!(1e308),
        6 => json!(0.5),
        7 => json!([]),
        8 => json!({}),
        9 => json!(""),
        10 => json!("none"),
        11 => json!(["pivot", "retriable", "compensatable"][random.below(3)]),
        12 => json!(["0s", "1ms", "10s", "24h", "8760h", "99999999999999999999h"][random.below(6)]),
        13 => json!("é\u{0}\u{2028}\u{feff}\u{10ffff}".repeat(random.count(50))),
        14 => json!("x".repeat(random.count(100_000))),
        _ => json!(random.pick(&NAMES)),
    }
}

/// Some value in it.
fn place<'v>(tree: &'v mut Value, random: &mut Random) -> &'v mut Value {
    let children = match tree {
        Value::Object(entries) => entries.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    if children == 0 || random.one_in(6) {
        return tree;
    }
    let chosen = random.below(children);
    match tree {
        Value::Object(entries) => match entries.values_mut().nth(chosen) {
            Some(value) => place(value, random),
            None => unreachable!("one of its fields is chosen"),
        },
        Value::Array(items) => place(&mut items[chosen], random),
        _ => unreachable!("only maps and lists have children"),
    }
}
