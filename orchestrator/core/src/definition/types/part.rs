//! The parts of a value: what is known of a field or an item before there is one.

use super::{
    facts::Segment,
    kinds::Kinds,
    lookup::{Field, Item},
    value::{Below, Type},
};

/// What is known of a part of a value.
#[derive(Debug)]
pub(super) enum Part<'s> {
    There {
        part: Type<'s>,
        may_be_missing: bool,
        /// A schema should say whether it is there, and does not.
        is_open: bool,
        /// A schema should say that the value has such parts at all, and does not.
        is_untyped: bool,
    },
    /// It cannot be there; these can.
    Nowhere(Vec<String>),
    /// The value has no such parts.
    NoParts,
}

impl<'s> Part<'s> {
    /// There for certain.
    fn there(part: Type<'s>) -> Self {
        Self::There { part, may_be_missing: false, is_open: false, is_untyped: false }
    }

    /// Of a value that is one of several.
    fn any_of(parts: impl Iterator<Item = Self>) -> Self {
        parts.reduce(Self::or).unwrap_or(Self::NoParts)
    }

    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::NoParts, part) | (part, Self::NoParts) => part,
            (Self::Nowhere(names), Self::Nowhere(others)) => {
                let mut names = [names, others].concat();
                names.sort_unstable();
                names.dedup();
                Self::Nowhere(names)
            }
            (Self::There { part, is_open, is_untyped, .. }, Self::Nowhere(_))
            | (Self::Nowhere(_), Self::There { part, is_open, is_untyped, .. }) => {
                Self::There { part, may_be_missing: true, is_open, is_untyped }
            }
            (
                Self::There { part, may_be_missing, is_open, is_untyped },
                Self::There {
                    part: other,
                    may_be_missing: may_other,
                    is_open: open_other,
                    is_untyped: untyped_other,
                },
            ) => Self::There {
                part: part.or(other),
                may_be_missing: may_be_missing || may_other,
                is_open: is_open || open_other,
                is_untyped: is_untyped || untyped_other,
            },
        }
    }
}

impl<'s> Type<'s> {
    /// Of a map: a field.
    pub(super) fn field(&self, name: &str) -> Part<'s> {
        let part = match &self.below {
            _ if self.is_never(Kinds::MAP) => return Part::NoParts,
            Below::Unknown | Below::Items { .. } => Part::there(Self::UNKNOWN),
            Below::Fields(fields) => match fields.get(name) {
                Some(part) => Part::there(part.clone()),
                None => Part::Nowhere(fields.keys().cloned().collect()),
            },
            Below::Schema(shape) => self.field_of(shape.field(name)),
            Below::Either(all) => Part::any_of(all.iter().map(|one| one.field(name))),
        };
        self.known_of(&Segment::Field(name.to_owned()), part)
    }

    /// Of a map: a field whose name is not known.
    pub(super) fn any_field(&self) -> Part<'s> {
        match &self.below {
            _ if self.is_never(Kinds::MAP) => Part::NoParts,
            Below::Unknown | Below::Items { .. } => Part::there(Self::UNKNOWN),
            Below::Fields(fields) => {
                let any = fields.values().cloned().reduce(Self::or).unwrap_or(Self::UNKNOWN);
                Part::there(any)
            }
            Below::Schema(shape) => self.field_of(shape.any_field()),
            Below::Either(all) => Part::any_of(all.iter().map(Self::any_field)),
        }
    }

    /// Of a list: an item; any where none is named.
    pub(super) fn item(&self, at: Option<usize>) -> Part<'s> {
        let part = match &self.below {
            _ if self.is_never(Kinds::LIST) => return Part::NoParts,
            Below::Unknown | Below::Fields(_) => Part::there(Self::UNKNOWN),
            Below::Items { item, count_min } => Part::There {
                part: item.as_deref().cloned().unwrap_or(Self::UNKNOWN),
                may_be_missing: at.is_some_and(|at| at >= *count_min),
                is_open: false,
                is_untyped: false,
            },
            Below::Schema(shape) => match shape.item(at) {
                Item::There { shape, may_be_missing, is_open } => Part::There {
                    part: Self::of_shape(shape),
                    may_be_missing,
                    is_open,
                    is_untyped: self.is_open_but(Kinds::LIST),
                },
                Item::NoList => Part::NoParts,
            },
            Below::Either(all) => Part::any_of(all.iter().map(|one| one.item(at))),
        };
        match at {
            Some(at) => self.known_of(&Segment::Item(at), part),
            None => part,
        }
    }

    fn field_of(&self, field: Field<'s>) -> Part<'s> {
        match field {
            Field::There { shape, may_be_missing, is_open } => Part::There {
                part: Self::of_shape(shape),
                may_be_missing,
                is_open,
                is_untyped: self.is_open_but(Kinds::MAP),
            },
            Field::Nowhere { names } => {
                Part::Nowhere(names.into_iter().map(str::to_owned).collect())
            }
            Field::NoMap => Part::NoParts,
        }
    }
}
