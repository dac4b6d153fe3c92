//! What is proven of expressions before anything runs: that what they read is there, and of the
//! kind that is needed. In reading order: the kinds of values (`kinds`); what a JSON Schema says of
//! what is below a value (`lookup`, out of its `choice`s, found by the `reader`); what a definition
//! declares (`declared`), and what that makes of a `value` and each `part` of it; the walk through
//! an expression (`walk`, `calls`, with its `functions`) under what the tests in it prove (`facts`,
//! `sizes`); what its place takes (`wants`); and what is said (`told`).

mod calls;
mod choice;
mod declared;
mod facts;
mod functions;
mod kinds;
pub(crate) mod lookup;
mod part;
mod reader;
mod sizes;
mod told;
mod value;
mod walk;
mod wants;

use cel::IdedExpr;

use super::{diagnostic::Severity, scope::View};
pub(super) use declared::{Declared, Typing};
pub(super) use facts::Facts;
pub(crate) use kinds::Kinds;
pub(super) use told::Finding;
pub(super) use value::Type;
use walk::{Here, Walk};
pub(super) use wants::Wants;

/// All that is found against an expression where it stands.
pub(super) fn check(
    expr: &IdedExpr,
    view: &View<'_>,
    typing: &Typing<'_>,
    wants: Wants,
) -> Vec<Finding> {
    let mut walk = Walk { view, typing, findings: Vec::new() };
    let value = walk.infer(expr, &Here::new(typing.facts()));
    let refusal = wants.refuse(&walk::subject(expr), &value);
    walk.findings.extend(refusal.map(|(message, hint)| Finding {
        id: super::ast::start(expr),
        severity: Severity::Error,
        message,
        hint,
    }));
    walk.findings
}

/// What an expression is.
pub(super) fn infer<'s>(expr: &IdedExpr, view: &View<'s>, typing: &Typing<'s>) -> Type<'s> {
    Walk { view, typing, findings: Vec::new() }.infer(expr, &Here::new(typing.facts()))
}
