//! What is said of expressions that cannot be proven, and the way out.

use super::{
    super::{diagnostic::Severity, nearest::did_you_mean},
    facts::{Segment, written},
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

/// `path` leads to it from where an expression begins, if it is nothing but that; `last` names it.
pub(super) fn missing(path: Option<&[Segment]>, last: &Segment) -> Told {
    let name = match last {
        Segment::Field(name) => format!("`{name}`"),
        Segment::Item(number) => format!("item {number}"),
        Segment::Computed(_) => "what is computed".to_owned(),
    };
    let Some((path, (_, list))) = path.and_then(|path| Some((path, path.split_last()?))) else {
        let hint = "let whatever this can be have it".to_owned();
        return (format!("{name} of this may be missing"), hint);
    };
    let (path, list) = (written(path), written(list));
    let hint = match last {
        Segment::Item(number) => {
            let (count, guard) = (number.saturating_add(1), format!("size({list}) > {number}"));
            format!(
                "say `minItems: {count}` in the schema of `{list}`, or guard it: \
                 `{guard} ? {path} : …`"
            )
        }
        Segment::Field(_) | Segment::Computed(_) => format!(
            "put {name} into `required` of its schema, or guard it: `has({path}) ? {path} : …`"
        ),
    };
    (format!("`{path}` may be missing"), hint)
}

/// What is computed is not known before there are values.
pub(super) fn computed(what: &str, key: Option<&[Segment]>, is_field: bool) -> Told {
    let hint = match (what.strip_prefix('`'), key) {
        (Some(map), Some(key)) if is_field => {
            let (map, key) = (map.trim_end_matches('`'), written(key));
            format!("guard it: `{key} in {map} ? {map}[{key}] : …`")
        }
        _ => "name what is meant, or go over the list".to_owned(),
    };
    let part = if is_field { "field" } else { "item" };
    (format!("whether {what} has the {part} that is computed here is not known"), hint)
}

pub(super) fn no_item(what: &str) -> Told {
    (format!("{what} has no item of this number"), "items are counted from 0".to_owned())
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

/// Of what is of the wrong kind, or may be: `but` is what of its kinds is wrong where others are
/// right.
pub(super) fn is_or_may_be(what: &str, kinds: Kinds, but: Kinds) -> String {
    match kinds == but {
        true => format!("{what} is {kinds}"),
        false => format!("{what} may be {but}"),
    }
}

pub(super) fn no_parts(what: &str, kinds: Kinds, but: Kinds, parts: &str) -> Told {
    let hint = match kinds == but {
        true => format!("read {what} itself, or mend its schema"),
        false => "let its schema say one `type`, or pass it on whole".to_owned(),
    };
    (format!("{}, and has no {parts}", is_or_may_be(what, kinds, but)), hint)
}

pub(super) fn no_list(what: &str, kinds: Kinds, but: Kinds) -> Told {
    let hint = "name a list; maps have no order of their own".to_owned();
    (format!("{}, and only a list can be gone over", is_or_may_be(what, kinds, but)), hint)
}

pub(super) fn no_condition(what: &str, kinds: Kinds, but: Kinds, operator: &str) -> Told {
    let hint = "compare it with something".to_owned();
    (format!("{}, and `{operator}` takes true or false", is_or_may_be(what, kinds, but)), hint)
}

pub(super) fn no_argument(what: &str, kinds: Kinds, but: Kinds, function: &str) -> Told {
    let hint = format!("give `{function}` a value that it takes, or let its schema say one `type`");
    (format!("{}, and `{function}` does not take that", is_or_may_be(what, kinds, but)), hint)
}

/// Two sides that an operator does not take together.
pub(super) fn no_pair(operator: &str, left: Kinds, right: Kinds) -> Told {
    let are_numbers = left.or(right).without(Kinds::NUMBER).is_empty();
    let (message, hint) = match operator {
        "%" if are_numbers => (
            "`%` takes whole numbers".to_owned(),
            "make them whole: `int(…)` leaves a fraction out",
        ),
        _ if are_numbers => (
            format!("`{operator}` does not mix whole numbers and others, and these may be of both"),
            "write `double(…)` around each that may be whole, and `2.0` for `2`",
        ),
        _ => (
            format!("`{operator}` does not take {left} and {right} together"),
            "convert one of them: `string(…)`, `int(…)`, `double(…)`; or let its schema say one \
             `type`",
        ),
    };
    (message, hint.to_owned())
}

/// What may not be a map at all, or not a list.
pub(super) fn untyped(what: &str, kind: Kinds, parts: &str) -> Told {
    let hint = format!("say `type: {}` in its schema", kind.type_names().join(" or "));
    (format!("nothing says that {what} is {kind}: it may be null, or have no {parts}"), hint)
}

pub(super) fn open(what: &str, kind: Kinds) -> Told {
    let (parts, hint) = match kind {
        Kinds::LIST => {
            ("items", "say what they are in `items`, and how many there are in `minItems`")
        }
        _ => ("fields", "name them in `properties`, and those that are always there in `required`"),
    };
    (format!("the schema of {what} does not say which {parts} it has"), hint.to_owned())
}
