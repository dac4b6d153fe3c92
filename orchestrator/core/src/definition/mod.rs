//! Definitions: from a file to a checked value. In reading order: what a definition is (`model`);
//! how a file becomes one (`parse`, `step`, `graph`) on the way through its tree (`tree`, `read`),
//! and what is found wrong (`diagnostic`); then the parts that are evaluated while a saga runs:
//! schemas (in one `dialect`), expressions and templates, what they can read (`scope`), retries;
//! and the form in which a definition is stored (`canonical`).

mod ast;
mod branch;
mod canonical;
mod diagnostic;
mod dialect;
mod duration;
mod expression;
mod format;
mod graph;
mod model;
mod nearest;
mod parse;
mod patterns;
mod payload;
mod read;
mod retry;
mod schema;
mod scope;
mod step;
mod template;
#[cfg(test)]
mod tests;
mod times;
mod tree;
pub(crate) mod types;

pub(crate) use branch::Branch;
pub use diagnostic::{Diagnostic, Severity};
pub use expression::{Expression, ExpressionError};
pub use format::format_schema;
pub use model::{AtRisk, Compensation, Definition, Expose, Kind, Step};
pub use retry::Retry;
pub use schema::{Schema, Violation};
pub(crate) use scope::Root;
pub use scope::{ActionScope, Scope};
pub use template::Template;
