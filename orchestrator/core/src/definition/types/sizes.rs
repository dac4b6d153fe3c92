//! What a comparison with a size proves: `size(input.items) > 0` says that there is a first item.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, operators},
};

use super::facts;

/// The list of which a comparison says that it has items, and the last that it has for certain.
pub(super) fn last_item<'e>(
    operator: &str,
    left: &'e IdedExpr,
    right: &'e IdedExpr,
    holds: bool,
) -> Option<(&'e IdedExpr, usize)> {
    let (list, operator, count) = match (sized(left), sized(right)) {
        (Some(list), _) => (list, operator, facts::number(right)?),
        (None, list) => (list?, turned(operator), facts::number(left)?),
    };
    let last = least(operator, count, holds)?.checked_sub(1)?;
    Some((list, usize::try_from(last).ok()?))
}

/// What `size(…)` and `….size()` are asked of.
fn sized(expr: &IdedExpr) -> Option<&IdedExpr> {
    let Expr::Call(CallExpr { func_name, target, args }) = &expr.expr else {
        return None;
    };
    match (func_name.as_str(), target, args.as_slice()) {
        ("size", None, [list]) => Some(list),
        ("size", Some(list), []) => Some(list),
        _ => None,
    }
}

/// The least size for which `size OPERATOR count` is as it is said to be.
fn least(operator: &str, count: i64, holds: bool) -> Option<i64> {
    match (operator, holds) {
        (operators::GREATER, true) | (operators::LESS_EQUALS, false) => count.checked_add(1),
        (operators::GREATER_EQUALS, true) | (operators::LESS, false) => Some(count),
        (operators::EQUALS, true) | (operators::NOT_EQUALS, false) => Some(count),
        (operators::NOT_EQUALS, true) | (operators::EQUALS, false) if count == 0 => Some(1),
        _ => None,
    }
}

/// The same operator with its sides exchanged.
fn turned(operator: &str) -> &str {
    match operator {
        operators::GREATER => operators::LESS,
        operators::LESS => operators::GREATER,
        operators::GREATER_EQUALS => operators::LESS_EQUALS,
        operators::LESS_EQUALS => operators::GREATER_EQUALS,
        same => same,
    }
}
