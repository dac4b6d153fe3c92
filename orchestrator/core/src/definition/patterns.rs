//! How large the patterns of a schema become when they are compiled: a few characters can make
//! megabytes of it, which nobody sees who reads the file.

use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::Value;

/// The parts of all patterns in a schema: characters, ranges of characters, and each of them as
/// often as it is repeated.
pub(super) fn parts(schema: &Value) -> usize {
    match schema {
        Value::Array(items) => sum(items.iter().map(parts)),
        Value::Object(fields) => sum(fields.iter().map(|(name, value)| {
            let own = match (name.as_str(), value) {
                ("pattern", Value::String(pattern)) => parts_of(pattern),
                ("patternProperties", Value::Object(patterns)) => {
                    sum(patterns.keys().map(|pattern| parts_of(pattern)))
                }
                _ => 0,
            };
            own.saturating_add(parts(value))
        })),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Those of one pattern; one that cannot be read is not compiled either.
fn parts_of(pattern: &str) -> usize {
    regex_syntax::parse(pattern).map_or(pattern.len(), |hir| count(&hir))
}

fn count(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            count(&repetition.sub).saturating_mul(times as usize)
        }
        HirKind::Capture(capture) => count(&capture.sub),
        HirKind::Concat(all) | HirKind::Alternation(all) => sum(all.iter().map(count)),
    }
}

fn sum(all: impl Iterator<Item = usize>) -> usize {
    all.fold(0, usize::saturating_add)
}
