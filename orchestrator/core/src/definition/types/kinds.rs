//! The kinds that JSON has, as sets.

use std::{fmt, ops::BitOr};

use serde_json::{Number, Value};

/// A set of kinds of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kinds(u8);

/// Each kind with its name in a JSON Schema and what it is called in a sentence.
const NAMES: [(Kinds, &str, &str); 7] = [
    (Kinds::NULL, "null", "null"),
    (Kinds::BOOL, "boolean", "a boolean"),
    (Kinds::INTEGER, "integer", "a whole number"),
    (Kinds::FRACTION, "number", "a number"),
    (Kinds::TEXT, "string", "text"),
    (Kinds::LIST, "array", "a list"),
    (Kinds::MAP, "object", "a map"),
];

impl Kinds {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOL: Self = Self(1 << 1);
    pub(crate) const INTEGER: Self = Self(1 << 2);
    /// Numbers that are not whole.
    pub(crate) const FRACTION: Self = Self(1 << 3);
    pub(crate) const TEXT: Self = Self(1 << 4);
    pub(crate) const LIST: Self = Self(1 << 5);
    pub(crate) const MAP: Self = Self(1 << 6);
    pub(crate) const ALL: Self = Self((1 << 7) - 1);
    pub(crate) const NUMBER: Self = Self::INTEGER.or(Self::FRACTION);

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) const fn complement(self) -> Self {
        Self::ALL.without(self)
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the two have a kind in common.
    pub(crate) const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The names of these in a JSON Schema; every whole number is a number there.
    pub(crate) fn type_names(self) -> Vec<&'static str> {
        let is_said = |kind: Self| {
            let is_whole = kind == Self::INTEGER && self.meets(Self::FRACTION);
            self.meets(kind) && !is_whole
        };
        NAMES.iter().filter(|(kind, ..)| is_said(*kind)).map(|(_, name, _)| *name).collect()
    }

    /// What the value of `type` in a JSON Schema allows; `None` where it is not one.
    pub(super) fn of_type(value: &Value) -> Option<Self> {
        match value {
            Value::String(name) => {
                let (kind, ..) = NAMES.iter().find(|(_, known, _)| known == name)?;
                let is_number = *kind == Self::FRACTION;
                Some(if is_number { kind.or(Self::INTEGER) } else { *kind })
            }
            Value::Array(names) => {
                names.iter().map(Self::of_type).try_fold(Self::NONE, |all, kind| Some(all | kind?))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
        }
    }

    /// The kind of a value. A number without a fraction is whole, however it is written.
    pub(super) fn of(value: &Value) -> Self {
        let has_fraction = |number: &Number| number.as_f64().is_some_and(|n| n.fract() != 0.0);
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOL,
            Value::Number(number) if has_fraction(number) => Self::FRACTION,
            Value::Number(_) => Self::INTEGER,
            Value::String(_) => Self::TEXT,
            Value::Array(_) => Self::LIST,
            Value::Object(_) => Self::MAP,
        }
    }
}

impl BitOr for Kinds {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.or(other)
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_told = |kind: Self| {
            // A number is also a whole one; to say it once is enough.
            let is_whole = kind == Self::INTEGER && self.meets(Self::FRACTION);
            self.meets(kind) && !is_whole
        };
        let told: Vec<_> =
            NAMES.iter().filter(|(kind, ..)| is_told(*kind)).map(|(_, _, name)| *name).collect();
        f.write_str(&told.join(" or "))
    }
}
