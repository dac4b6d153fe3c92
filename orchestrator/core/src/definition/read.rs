//! Reads the parts of a definition out of its tree: known fields only, of the right kind and within
//! range.

use std::{fmt::Display, ops::RangeInclusive, str::FromStr, time::Duration};

use super::{
    diagnostic::Findings,
    duration,
    format::Object,
    nearest::did_you_mean,
    tree::{Entry, Node, Place, Value},
};

/// A map whose fields are known.
pub(super) struct Fields<'t> {
    /// What has these fields.
    object: &'static Object,
    /// Where it stands.
    pub(super) place: Place,
    entries: &'t [Entry],
}

impl<'t> Fields<'t> {
    /// The fields of `node`; reports those that the object does not have, and those that it lacks.
    pub(super) fn of(
        node: &'t Node,
        object: &'static Object,
        findings: &mut Findings<'_>,
    ) -> Option<Self> {
        let what = object.what;
        let its_fields = || {
            let names: Vec<_> = object.names().collect();
            format!("its fields are `{}`", names.join("`, `"))
        };
        let Value::Map(entries) = &node.value else {
            let message = format!("{what} takes fields, and this is {}", node.value.kind());
            findings.add_with_hint(node.place, message, its_fields());
            return None;
        };
        for entry in entries.iter().filter(|entry| !object.has(&entry.key)) {
            let message = format!("{what} has no field `{}`", entry.key);
            let hint = did_you_mean(&entry.key, object.names()).unwrap_or_else(its_fields);
            findings.add_with_hint(entry.place, message, hint);
        }
        let fields = Self { object, place: node.place, entries };
        for missing in object.required().filter(|name| fields.entry(name).is_none()) {
            findings.add(node.place, format!("{what} needs a field `{missing}`"));
        }
        Some(fields)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'t Node> {
        self.entry(name).map(|entry| &entry.node)
    }

    /// A field with the place of its name.
    pub(super) fn entry(&self, name: &str) -> Option<&'t Entry> {
        debug_assert!(self.object.has(name), "`{name}` is no field of {}", self.object.what);
        self.entries.iter().find(|entry| entry.key == name)
    }

    /// A field of its own kind, where it is there.
    pub(super) fn read<T>(
        &self,
        name: &str,
        findings: &mut Findings<'_>,
        read: impl FnOnce(&'t Node, &mut Findings<'_>) -> Option<T>,
    ) -> Option<T> {
        self.get(name).and_then(|node| read(node, findings))
    }
}

/// Text that is not empty.
pub(super) fn text<'t>(node: &'t Node, findings: &mut Findings<'_>) -> Option<&'t str> {
    match &node.value {
        Value::Text(text) if !text.is_empty() => Some(text),
        Value::Text(_) => {
            findings.add(node.place, "this is empty");
            None
        }
        Value::Bool(_) | Value::Number(_) => {
            let message = format!("this takes text, and it is {}", node.value.kind());
            findings.add_with_hint(node.place, message, "put it in quotes");
            None
        }
        Value::Null | Value::List(_) | Value::Map(_) => {
            findings.add(node.place, format!("this takes text, and it is {}", node.value.kind()));
            None
        }
    }
}

/// Text in a form of its own, such as a name.
pub(super) fn word<T>(node: &Node, findings: &mut Findings<'_>) -> Option<T>
where
    T: FromStr,
    T::Err: Display,
{
    match text(node, findings)?.parse() {
        Ok(word) => Some(word),
        Err(error) => {
            findings.add(node.place, error.to_string());
            None
        }
    }
}

/// A list.
pub(super) fn list<'t>(node: &'t Node, findings: &mut Findings<'_>) -> Option<&'t [Node]> {
    let Value::List(items) = &node.value else {
        findings.add(node.place, format!("this takes a list, and it is {}", node.value.kind()));
        return None;
    };
    Some(items)
}

/// A duration of at least a millisecond.
pub(super) fn duration(
    node: &Node,
    max: Duration,
    findings: &mut Findings<'_>,
) -> Option<Duration> {
    let hint = "write it as `200ms`, `5s`, `10m` or `1h`";
    let Value::Text(text) = &node.value else {
        let message = format!("this takes a duration, and it is {}", node.value.kind());
        findings.add_with_hint(node.place, message, hint);
        return None;
    };
    match duration::parse(text) {
        Some(duration) if !duration.is_zero() && duration <= max => Some(duration),
        Some(_) => {
            let max = duration::write(max);
            findings.add(node.place, format!("`{text}` is not between `1ms` and `{max}`"));
            None
        }
        None => {
            findings.add_with_hint(node.place, format!("`{text}` is not a duration"), hint);
            None
        }
    }
}

/// A number within a range.
pub(super) fn number(
    node: &Node,
    range: &RangeInclusive<f64>,
    findings: &mut Findings<'_>,
) -> Option<f64> {
    let number = match &node.value {
        Value::Number(number) => number.as_f64().filter(|number| range.contains(number)),
        Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
    };
    if number.is_none() {
        let (min, max) = (range.start(), range.end());
        findings.add(node.place, format!("this takes a number from {min} to {max}"));
    }
    number
}

/// A whole number within a range.
pub(super) fn integer(
    node: &Node,
    range: &RangeInclusive<u32>,
    findings: &mut Findings<'_>,
) -> Option<u32> {
    let integer = match &node.value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
    };
    let integer = integer.filter(|integer| range.contains(integer));
    if integer.is_none() {
        let (min, max) = (range.start(), range.end());
        findings.add(node.place, format!("this takes a whole number from {min} to {max}"));
    }
    integer
}
