//! What is said of expressions that cannot be proven, and the way out.

use super::{
    super::{diagnostic::Severity, nearest::did_you_mean},
    facts::written,
    kinds::Kinds,
};

/// Names that are told at once; who misses one of more looks into the schema.
const NAMES_MAX: usize = 12;

/// What was found within an expression.
#[derive(Debug)]
pub(crate) struct Finding {
    /// The node of the expression at which it begins.
    pub(crate) id: u64,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    pub(crate) hint: String,
}

/// What is wrong, and the way out.
pub(super) type Told = (String, String);

pub(super) fn missing(path: &[String]) -> Told {
    let (path, last) = (written(path), path.last().map_or("", String::as_str));
    let hint = format!(
        "put `{last}` into `required` of its schema, or guard it: `has({path}) ? {path} : …`"
    );
    (format!("`{path}` may be missing"), hint)
}

pub(super) fn null(what: &str, why: &str) -> Told {
    let hint = match what.strip_prefix('`') {
        Some(path) => format!("guard it: `{} == null ? … : …`", path.trim_end_matches('`')),
        None => "guard it: `… == null ? … : …`".to_owned(),
    };
    (format!("{what} may be null: {why}"), hint)
}

pub(super) fn nowhere(what: &str, name: &str, names: &[String]) -> Told {
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let hint = did_you_mean(name, names.iter().copied()).unwrap_or_else(|| match names.len() {
        0 => "it has no fields at all".to_owned(),
        count => {
            let rest = if count > NAMES_MAX { ", …" } else { "" };
            let names = names[..count.min(NAMES_MAX)].join("`, `");
            format!("its fields are `{names}`{rest}; what else there is belongs into its schema")
        }
    });
    (format!("{what} has no field `{name}`"), hint)
}

pub(super) fn no_parts(what: &str, kinds: Kinds, parts: &str) -> Told {
    let hint = format!("read {what} itself, or mend its schema");
    (format!("{what} is {kinds}, and has no {parts}"), hint)
}

pub(super) fn no_list(what: &str, kinds: Kinds) -> Told {
    let hint = "name a list; maps have no order of their own".to_owned();
    (format!("{what} is {kinds}, and only a list can be gone over"), hint)
}

pub(super) fn no_condition(what: &str, kinds: Kinds, operator: &str) -> Told {
    let hint = "compare it with something".to_owned();
    (format!("{what} is {kinds}, and `{operator}` takes true or false"), hint)
}

pub(super) fn open(path: &[String]) -> Told {
    let hint = "name them in `properties`, and those that are always there in `required`";
    let path = written(path);
    (format!("the schema of `{path}` does not say which fields it has"), hint.to_owned())
}
