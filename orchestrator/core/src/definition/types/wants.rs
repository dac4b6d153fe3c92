//! What a place takes that an expression stands at.

use super::{
    kinds::Kinds,
    told::{self, Told},
    value::Type,
};

/// What a place takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Whatever JSON has.
    Anything,
    /// What can be written inside text.
    Text,
    /// `when`.
    Condition,
    /// `value.amount`.
    Amount,
    /// `value.currency`.
    Currency,
    /// `expose.key`.
    Key,
}

impl Wants {
    /// What stands against a value here, for certain; null may be all that does.
    pub(super) fn refuse(self, what: &str, value: &Type<'_>) -> Option<Told> {
        let (kinds, takes, hint) = match self {
            Self::Anything => return None,
            Self::Text => (
                Kinds::NULL.or(Kinds::LIST).or(Kinds::MAP).complement(),
                "stands inside text",
                "name a part of it that is text or a number, or let it stand alone",
            ),
            Self::Condition => (
                Kinds::BOOL,
                "`when` takes true or false",
                "compare it with something, as in `input.total > 0`",
            ),
            Self::Amount => (
                Kinds::INTEGER,
                "an amount is a whole number of minor units",
                "read a field whose schema says `type: integer`",
            ),
            Self::Currency => {
                (Kinds::TEXT, "a currency is text", "read a field whose schema says `type: string`")
            }
            Self::Key => (
                Kinds::TEXT.or(Kinds::INTEGER),
                "a key is text or a whole number",
                "read a field that tells one saga from all others, such as an order's number",
            ),
        };
        if let Some(why) = &value.null {
            return Some(told::null(what, why));
        }
        let but = value.misses(kinds)?;
        let told = told::is_or_may_be(what, value.kinds, but);
        Some((format!("{told}, and {takes}"), hint.to_owned()))
    }
}
