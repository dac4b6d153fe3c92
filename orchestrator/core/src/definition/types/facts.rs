//! What the tests around a place prove of the values that it reads: `has(a.b) ? … : …` proves that
//! there is a field `b` where the dots before the colon are.

use std::{collections::BTreeSet, fmt::Write as _};

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, operators},
};

/// A name, and what is selected from it.
pub(super) type Path = Vec<String>;

/// What is proven.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::definition) struct Facts {
    /// What is there, though it may be null.
    present: BTreeSet<Path>,
    not_null: BTreeSet<Path>,
}

impl Facts {
    pub(super) const NONE: Self = Self { present: BTreeSet::new(), not_null: BTreeSet::new() };

    pub(super) fn is_present(&self, path: &[String]) -> bool {
        self.present.contains(path) || self.is_not_null(path)
    }

    /// What has something below is no null.
    pub(super) fn is_not_null(&self, path: &[String]) -> bool {
        let is_below = |other: &Path| other.len() > path.len() && other.starts_with(path);
        self.not_null.contains(path) || self.present.iter().chain(&self.not_null).any(is_below)
    }

    /// What is proven of the parts of a value.
    pub(super) fn of_parts(&self, path: &[String]) -> Self {
        let below = |paths: &BTreeSet<Path>| {
            let parts = paths.iter().filter_map(|other| other.strip_prefix(path));
            parts.filter(|part| !part.is_empty()).map(<[String]>::to_vec).collect()
        };
        Self { present: below(&self.present), not_null: below(&self.not_null) }
    }

    /// Of a value that has a name: what is proven of its parts.
    pub(super) fn name(&mut self, name: &str, parts: &Self) {
        let named = |part: &Path| [&[name.to_owned()], part.as_slice()].concat();
        self.forget(name);
        self.present.extend(parts.present.iter().map(named));
        self.not_null.extend(parts.not_null.iter().map(named));
    }

    /// The name means something else from here on.
    fn forget(&mut self, name: &str) {
        let is_other = |path: &Path| path.first().is_none_or(|first| first != name);
        self.present.retain(is_other);
        self.not_null.retain(is_other);
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
                    path.push(select.field.clone());
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
                if let (Some(field), Some(mut path)) = (text(key), path(map)) {
                    path.push(field.to_owned());
                    self.present.insert(path);
                }
            }
            _ => {}
        }
    }
}

/// The path that an expression is, where it is nothing else.
pub(super) fn path(expr: &IdedExpr) -> Option<Path> {
    match &expr.expr {
        Expr::Ident(name) => Some(vec![name.clone()]),
        Expr::Select(select) if !select.test => {
            let mut path = path(&select.operand)?;
            path.push(select.field.clone());
            Some(path)
        }
        Expr::Call(CallExpr { func_name, target: None, args }) if func_name == operators::INDEX => {
            let [list, index] = args.as_slice() else { return None };
            let mut path = path(list)?;
            path.push(match text(index) {
                Some(field) => field.to_owned(),
                None => format!("[{}]", number(index)?),
            });
            Some(path)
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
fn number(expr: &IdedExpr) -> Option<i64> {
    let Expr::Literal(LiteralValue::Int(number)) = &expr.expr else {
        return None;
    };
    Some(*number.inner())
}

/// A path as it is written.
pub(super) fn written(path: &[String]) -> String {
    let mut written = String::new();
    for segment in path {
        let is_name = segment.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let result = match segment {
            name if written.is_empty() => write!(written, "{name}"),
            name if is_name => write!(written, ".{name}"),
            index if index.starts_with('[') => write!(written, "{index}"),
            name => write!(written, "['{name}']"),
        };
        result.expect("text takes whatever is written to it");
    }
    written
}
