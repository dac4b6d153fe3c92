//! What an expression comes to, where that can be read off it: `has(a) ? a : null` is what `a` is,
//! or null.

use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, operators},
};
use serde_json::{Value, json};

use super::{
    ast::{Presence, chain},
    scope::{Root, View},
};

/// One of the things that an expression can come to.
#[derive(Debug)]
pub(crate) enum Branch {
    /// What a path leads to: what it begins at, and the fields below.
    Path(Root, Vec<String>),
    /// What stands there.
    Constant(Value),
    /// Whatever is computed.
    Computed,
}

/// All that an expression can come to: one, where it leaves no choice.
pub(super) fn branches(expr: &IdedExpr, view: &View<'_>) -> Vec<Branch> {
    if let Expr::Call(CallExpr { func_name, args, .. }) = &expr.expr
        && let (operators::CONDITIONAL, [_, yes, no]) = (func_name.as_str(), args.as_slice())
    {
        return [branches(yes, view), branches(no, view)].into_iter().flatten().collect();
    }
    let path = || match chain(expr)? {
        (name, fields, Presence::Value) => {
            let (root, taken) = view.resolve(name, &fields).ok()?;
            let below = fields[taken..].iter().map(|field| (*field).to_owned());
            Some(Branch::Path(root, below.collect()))
        }
        (.., Presence::Test) => None,
    };
    let constant = || {
        let Expr::Literal(literal) = &expr.expr else { return None };
        constant(literal).map(Branch::Constant)
    };
    vec![path().or_else(constant).unwrap_or(Branch::Computed)]
}

fn constant(literal: &LiteralValue) -> Option<Value> {
    Some(match literal {
        LiteralValue::Null => Value::Null,
        LiteralValue::Boolean(value) => json!(value.inner()),
        LiteralValue::Int(value) => json!(value.inner()),
        LiteralValue::UInt(value) => json!(value.inner()),
        LiteralValue::Double(value) => json!(value.inner()),
        LiteralValue::String(value) => json!(value.inner()),
        LiteralValue::Bytes(_) => return None,
    })
}
