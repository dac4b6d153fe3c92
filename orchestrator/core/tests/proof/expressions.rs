//! Expressions that read an input: paths that its schema has mostly, guarded mostly, and whatever
//! can be made of what they lead to.

use serde_json::Value;

use super::{
    random::Random,
    schemas::{NAMES, resolved},
};

/// The deepest that expressions are nested.
const DEPTH_MAX: usize = 3;

/// Makes expressions.
pub(crate) struct Reader<'r> {
    root: &'r Value,
    /// Whether operators may stand in them.
    is_typed: bool,
    pub(crate) random: &'r mut Random,
    depth: usize,
}

/// A path, what guards it, and the schema of what it leads to.
struct Path<'r> {
    text: String,
    guards: Vec<String>,
    schema: Option<&'r Value>,
}

impl<'r> Reader<'r> {
    pub(crate) fn new(root: &'r Value, is_typed: bool, random: &'r mut Random) -> Self {
        Self { root, is_typed, random, depth: 0 }
    }

    pub(crate) fn expression(&mut self) -> String {
        self.of("input", Some(self.root))
    }

    /// Something that reads what lies below a value of which the schema is not looked at.
    pub(crate) fn below(&mut self, name: &str) -> String {
        match self.random.below(4) {
            0 => name.to_owned(),
            1 => format!("{name}[0]"),
            2 => format!("{name}.{}.{}", self.name(), self.name()),
            _ => format!("{name}.{}", self.name()),
        }
    }

    /// Guards, and then what they guard.
    pub(crate) fn condition(&mut self) -> String {
        let path = self.path("input", Some(self.root));
        let read = format!("{} != 'x'", path.text);
        path.guards.into_iter().chain([read]).collect::<Vec<_>>().join(" && ")
    }

    fn name(&mut self) -> &'static str {
        NAMES[self.random.below(NAMES.len())]
    }

    /// An expression that reads below a name, of which this is the schema.
    fn of(&mut self, name: &str, schema: Option<&'r Value>) -> String {
        let path = self.path(name, schema);
        let used = self.used(&path);
        let Path { mut guards, .. } = path;
        if self.random.one_in(6) && !guards.is_empty() {
            guards.remove(self.random.below(guards.len()));
        }
        if guards.is_empty() {
            return used;
        }
        let other = ["'none'", "null", "0", "[]", "{}"][self.random.below(5)];
        match self.random.below(5) {
            0 => format!("!({}) ? {other} : {used}", guards.join(" && ")),
            1 => guards
                .iter()
                .rev()
                .fold(used, |used, guard| format!("({guard} ? {used} : {other})")),
            2 => {
                let not: Vec<_> = guards.iter().map(|guard| format!("!({guard})")).collect();
                format!("{} ? {other} : {used}", not.join(" || "))
            }
            _ => format!("{} ? {used} : {other}", guards.join(" && ")),
        }
    }

    /// A way down from a name, guarded where it must be.
    fn path(&mut self, name: &str, schema: Option<&'r Value>) -> Path<'r> {
        let mut path = Path { text: name.to_owned(), guards: Vec::new(), schema };
        for _ in 0..self.random.count(4) {
            let schema = path.schema.map(|schema| resolved(self.root, schema));
            let Some(schema) = schema else { break };
            if !self.step(&mut path, schema) {
                break;
            }
        }
        path
    }

    /// Goes down once; whether there is anything to go to.
    fn step(&mut self, path: &mut Path<'r>, schema: &'r Value) -> bool {
        let text = path.text.clone();
        if schema["type"].as_array().is_some_and(|kinds| kinds.contains(&"null".into())) {
            path.guards.push(format!("{text} != null"));
        }
        if schema["type"] == "array" {
            let at = self.random.below(3);
            path.guards.push(match self.random.below(5) {
                0 => format!("{at} < size({text})"),
                1 => format!("{text}.size() >= {}", at + 1),
                2 => format!("!(size({text}) <= {at})"),
                3 => format!("size({text}) != 0"),
                _ => format!("size({text}) > {at}"),
            });
            path.text = format!("{text}[{at}]");
            path.schema = schema["prefixItems"].get(at).or(schema.get("items"));
            return true;
        }
        let all = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema.get(*key)?.as_array());
        if let Some(all) = all {
            let one: &Value = self.random.pick(all);
            return self.step(path, resolved(self.root, one));
        }
        let others = schema.get("additionalProperties").filter(|others| others.is_object());
        if let Some(others) = others.filter(|_| self.random.one_in(2)) {
            let key = self.path("input", Some(self.root));
            path.guards.extend(key.guards);
            path.guards.push(format!("{} in {text}", key.text));
            path.text = format!("{text}[{}]", key.text);
            path.schema = Some(others);
            return true;
        }
        let name = self.name();
        let Some(field) = schema["properties"].get(name).or(others) else {
            return false;
        };
        if !schema["required"].as_array().is_some_and(|names| names.contains(&name.into())) {
            path.guards.push(match self.random.below(3) {
                0 => format!("'{name}' in {text}"),
                _ => format!("has({text}.{name})"),
            });
        }
        path.text = match self.random.below(4) {
            0 => format!("{text}['{name}']"),
            _ => format!("{text}.{name}"),
        };
        path.schema = Some(field);
        true
    }

    /// What is done with the value that a path leads to.
    fn used(&mut self, path: &Path<'r>) -> String {
        let Path { text, schema, .. } = path;
        let schema = schema.map(|schema| resolved(self.root, schema));
        self.depth += 1;
        let is_deep = self.depth > DEPTH_MAX;
        let made = match self.random.below(if is_deep { 2 } else { 9 }) {
            0 | 1 => text.clone(),
            2 if self.is_typed => self.operated(text, schema),
            3 => {
                let other = self.other();
                let name = self.name();
                format!("({} ? {text} : {other}).{name}", self.test(text))
            }
            4 if self.is_typed => {
                let other = self.other();
                let each = format!("y.{}", self.name());
                format!("({text} + [{other}]).map(y, {each})")
            }
            5 => {
                let items = schema.and_then(|schema| schema.get("items"));
                let each = self.of("y", items);
                let name = self.name();
                match self.random.below(3) {
                    0 => format!("{text}.filter(y, has(y.{name})).map(y, y.{name})"),
                    1 => format!("{text}.map(y, y == null ? 0 : {each})"),
                    _ => format!("{text}.map(y, {each})"),
                }
            }
            6 => format!("{{'a': {text}, 'b': {}}}.{}", self.other(), self.name()),
            7 => format!("[{text}, {}][{}]", self.other(), self.random.below(3)),
            _ => format!("dyn({text})"),
        };
        self.depth -= 1;
        made
    }

    fn operated(&mut self, text: &str, schema: Option<&Value>) -> String {
        // Not every text is a number, and nobody proves which is.
        let is_number =
            schema.is_some_and(|schema| schema["type"] == "number" || schema["type"] == "integer");
        let other = ["1", "2.0", "'x'", "[1]", "true", text][self.random.below(6)];
        let operator = ["+", "-", "*", "<", ">=", "&&"][self.random.below(6)];
        match self.random.below(6) {
            0 => format!("size({text})"),
            1 => format!("string({text})"),
            2 if is_number => format!("double({text}) * 2.0"),
            3 => format!("{other} {operator} {text}"),
            _ => format!("{text} {operator} {other}"),
        }
    }

    fn test(&mut self, text: &str) -> String {
        match self.random.below(3) {
            0 => format!("{text} == 'a'"),
            1 => "input == {}".to_owned(),
            _ => format!("{text} != null"),
        }
    }

    /// Another value.
    fn other(&mut self) -> String {
        match self.random.below(6) {
            0 => "{'a': 1}".to_owned(),
            1 => "{'b': 'x', 'a': null}".to_owned(),
            2 => "[{'a': 1}]".to_owned(),
            3 => "{}".to_owned(),
            _ => self.of("input", Some(self.root)),
        }
    }
}
