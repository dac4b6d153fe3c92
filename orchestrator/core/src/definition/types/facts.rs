//! What the tests around a place prove of the values that it reads: `has(a.b) ? … : …` proves that
//! there is a field `b` where the dots before the colon are.

use std::{collections::BTreeSet, fmt::Write as _};

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, operators},
};

use super::sizes;

/// A name, and what is selected from it.
pub(super) type Path = Vec<Segment>;

/// A step on a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::definition) enum Segment {
    /// The name that it begins with, or a field.
    Field(String),
    /// An item, by its number.
    Item(usize),
    /// A field whose name stands where this path leads.
    Computed(Path),
}

impl Segment {
    /// Whether an item before this one, or this one, is asked for.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Item(own), Self::Item(other)) => own >= other,
            _ => self == other,
        }
    }
}

/// What is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::definition) struct Facts {
    /// What is there, though it may be null.
    present: BTreeSet<Path>,
    not_null: BTreeSet<Path>,
}

impl Facts {
    pub(super) const NONE: Self = Self { present: BTreeSet::new(), not_null: BTreeSet::new() };

    /// A list that has an item has all before it.
    pub(super) fn is_present(&self, path: &[Segment]) -> bool {
        let Some((last, list)) = path.split_last() else { return false };
        let covers = |other: &Path| {
            other.strip_prefix(list).and_then(<[_]>::first).is_some_and(|one| one.covers(last))
        };
        self.present.iter().chain(&self.not_null).any(covers)
    }

    /// What has something below is no null.
    pub(super) fn is_not_null(&self, path: &[Segment]) -> bool {
        let is_below = |other: &Path| other.len() > path.len() && other.starts_with(path);
        self.not_null.contains(path) || self.present.iter().chain(&self.not_null).any(is_below)
    }

    /// What is proven of the parts of a value.
    pub(super) fn of_parts(&self, path: &[Segment]) -> Self {
        let below = |paths: &BTreeSet<Path>| {
            let parts = paths.iter().filter_map(|other| other.strip_prefix(path));
            parts.filter(|part| !part.is_empty()).map(<[_]>::to_vec).collect()
        };
        Self { present: below(&self.present), not_null: below(&self.not_null) }
    }

    /// The name means something else from here on.
    pub(super) fn forget(&mut self, name: &str) {
        self.present.retain(|path| !begins_with(path, name));
        self.not_null.retain(|path| !begins_with(path, name));
    }

    /// What is proven by both.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.present.extend(other.present);
        self.not_null.extend(other.not_null);
        self
    }

    /// What is proven either way.
    pub(super) fn or(&self, other: &Self) -> Self {
        let present = self.present.iter().filter(|path| other.is_present(path));
        let present = present.chain(other.present.iter().filter(|path| self.is_present(path)));
        let not_null = self.not_null.iter().filter(|path| other.is_not_null(path));
        let not_null = not_null.chain(other.not_null.iter().filter(|path| self.is_not_null(path)));
        Self { present: present.cloned().collect(), not_null: not_null.cloned().collect() }
    }

    /// And what follows from it that an expression is true, or false.
    pub(in crate::definition) fn assuming(&self, condition: &IdedExpr, holds: bool) -> Self {
        let mut facts = self.clone();
        facts.assume(condition, holds);
        facts
    }

    fn assume(&mut self, condition: &IdedExpr, holds: bool) {
        match &condition.expr {
            Expr::Select(select) if select.test && holds => {
                if let Some(mut path) = path(&select.operand) {
                    path.push(Segment::Field(select.field.clone()));
                    self.present.insert(path);
                }
            }
            Expr::Call(call) => self.assume_call(call, holds),
            Expr::Select(_)
            | Expr::Comprehension(_)
            | Expr::Ident(_)
            | Expr::List(_)
            | Expr::Literal(_)
            | Expr::Map(_)
            | Expr::Struct(_)
            | Expr::Unspecified => {}
        }
    }

    fn assume_call(&mut self, call: &CallExpr, holds: bool) {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::LOGICAL_NOT, [not]) => self.assume(not, !holds),
            (operators::NOT_STRICTLY_FALSE, [same]) => self.assume(same, holds),
            (operators::LOGICAL_AND | operators::LOGICAL_OR, [left, right]) => {
                // All of it is as it must be, or one of the two is.
                if (call.func_name == operators::LOGICAL_AND) == holds {
                    self.assume(left, holds);
                    self.assume(right, holds);
                } else {
                    *self = self.assuming(left, holds).or(&self.assuming(right, holds));
                }
            }
            (operators::EQUALS | operators::NOT_EQUALS, [left, right]) => {
                let is_equal = (call.func_name == operators::EQUALS) == holds;
                for (one, other) in [(left, right), (right, left)] {
                    let Expr::Literal(literal) = &other.expr else { continue };
                    if (*literal == LiteralValue::Null) != is_equal {
                        self.not_null.extend(path(one));
                    }
                }
            }
            (operators::IN, [key, map]) if holds => {
                let field = text(key).map(|field| Segment::Field(field.to_owned()));
                let field = field.or_else(|| path(key).map(Segment::Computed));
                if let (Some(field), Some(mut path)) = (field, path(map)) {
                    path.push(field);
                    self.present.insert(path);
                }
            }
            _ => {}
        }
        if let [left, right] = call.args.as_slice()
            && let Some((list, last)) = sizes::last_item(&call.func_name, left, right, holds)
            && let Some(mut path) = path(list)
        {
            path.push(Segment::Item(last));
            self.present.insert(path);
        }
    }
}

/// The path that an expression is, where it is nothing else.
pub(super) fn path(expr: &IdedExpr) -> Option<Path> {
    match &expr.expr {
        Expr::Ident(name) => Some(vec![Segment::Field(name.clone())]),
        Expr::Select(select) if !select.test => {
            let mut path = path(&select.operand)?;
            path.push(Segment::Field(select.field.clone()));
            Some(path)
        }
        Expr::Call(CallExpr { func_name, target: None, args }) if func_name == operators::INDEX => {
            let [list, index] = args.as_slice() else { return None };
            let mut whole = path(list)?;
            whole.push(match (text(index), number(index)) {
                (Some(field), _) => Segment::Field(field.to_owned()),
                (_, Some(number)) => Segment::Item(usize::try_from(number).ok()?),
                _ => Segment::Computed(path(index)?),
            });
            Some(whole)
        }
        Expr::Call(_)
        | Expr::Select(_)
        | Expr::Comprehension(_)
        | Expr::List(_)
        | Expr::Literal(_)
        | Expr::Map(_)
        | Expr::Struct(_)
        | Expr::Unspecified => None,
    }
}

/// The text that an expression is, where it is nothing else.
pub(super) fn text(expr: &IdedExpr) -> Option<&str> {
    let Expr::Literal(LiteralValue::String(text)) = &expr.expr else {
        return None;
    };
    Some(text.inner())
}

/// The whole number that an expression is, where it is nothing else.
pub(super) fn number(expr: &IdedExpr) -> Option<i64> {
    let Expr::Literal(LiteralValue::Int(number)) = &expr.expr else {
        return None;
    };
    Some(*number.inner())
}

/// Whether a path begins with a name, or one that says which field is meant.
fn begins_with(path: &[Segment], name: &str) -> bool {
    let begins = matches!(path.first(), Some(Segment::Field(first)) if first == name);
    let is_within = |segment: &Segment| match segment {
        Segment::Computed(path) => begins_with(path, name),
        Segment::Field(_) | Segment::Item(_) => false,
    };
    begins || path.iter().any(is_within)
}

/// A path as it is written.
pub(super) fn written(path: &[Segment]) -> String {
    let mut written = String::new();
    for segment in path {
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let result = match segment {
            Segment::Field(name) if written.is_empty() => write!(written, "{name}"),
            Segment::Field(name) if is_name(name) => write!(written, ".{name}"),
            Segment::Field(name) => write!(written, "['{name}']"),
            Segment::Item(number) => write!(written, "[{number}]"),
            Segment::Computed(path) => write!(written, "[{}]", self::written(path)),
        };
        result.expect("text takes whatever is written to it");
    }
    written
}
