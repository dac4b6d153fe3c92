//! What is known of a value before there is one.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::Value;

use super::{
    choice::ANYTHING,
    facts::Facts,
    kinds::Kinds,
    lookup::{Field, Item, Shape},
};

/// What is known of a value.
#[derive(Clone, Debug)]
pub(crate) struct Type<'s> {
    pub(super) kinds: Kinds,
    /// Why it may be null, where that is to be reckoned with.
    pub(super) null: Option<Rc<str>>,
    /// What the tests before it proved of its parts.
    pub(super) proven: Facts,
    below: Below<'s>,
}

/// What is known of the parts of a value.
#[derive(Clone, Debug)]
enum Below<'s> {
    Unknown,
    Schema(Shape<'s>),
    Fields(BTreeMap<String, Type<'s>>),
    /// Of each item; `None` where there is none.
    Items(Option<Box<Type<'s>>>),
}

/// What is known of a part of a value.
#[derive(Debug)]
pub(super) enum Part<'s> {
    There {
        part: Type<'s>,
        may_be_missing: bool,
    },
    /// It cannot be there; these can.
    Nowhere(Vec<String>),
    /// A schema should say, and does not.
    Open,
    /// The value has no such parts.
    NoParts,
    Unknown,
}

impl<'s> Type<'s> {
    /// Nothing is known, and nobody can be asked to say more.
    pub(crate) const UNKNOWN: Self = Self::of_kinds(Kinds::ALL);

    pub(crate) const TEXT: Self = Self::of_kinds(Kinds::TEXT);

    pub(super) const fn of_kinds(kinds: Kinds) -> Self {
        let proven = Facts::NONE;
        Self { kinds, null: None, proven, below: Below::Unknown }
    }

    /// The kinds that it can be of.
    pub(crate) fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// Null, and why.
    pub(super) fn null(why: &str) -> Self {
        Self { null: Some(why.into()), ..Self::of_kinds(Kinds::NULL) }
    }

    /// What a schema says; without one, nothing, though somebody could.
    pub(crate) fn of_schema(schema: Option<&'s Value>) -> Self {
        Self::of_shape(&Shape::of(schema.unwrap_or(&ANYTHING)))
    }

    fn of_shape(shape: &Shape<'s>) -> Self {
        let null = shape.may_be_null().then(|| "its schema allows that".into());
        Self { null, below: Below::Schema(shape.clone()), ..Self::of_kinds(shape.kinds()) }
    }

    /// What a constant is.
    pub(crate) fn of_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::null("it says so"),
            Value::Array(items) => Self::list(items.iter().map(Self::of_json)),
            Value::Object(fields) => {
                Self::map(fields.iter().map(|(name, value)| (name.clone(), Self::of_json(value))))
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Self::of_kinds(Kinds::of(value))
            }
        }
    }

    pub(crate) fn map(fields: impl IntoIterator<Item = (String, Self)>) -> Self {
        let below = Below::Fields(fields.into_iter().collect());
        Self { below, ..Self::of_kinds(Kinds::MAP) }
    }

    pub(crate) fn list(items: impl IntoIterator<Item = Self>) -> Self {
        let below = Below::Items(items.into_iter().reduce(Self::or).map(Box::new));
        Self { below, ..Self::of_kinds(Kinds::LIST) }
    }

    /// The same, but it may also be null.
    pub(crate) fn or_null(mut self, why: &str) -> Self {
        self.null = Some(why.into());
        self.kinds = self.kinds.or(Kinds::NULL);
        self
    }

    /// The same, but it is proven not to be null.
    pub(super) fn and_not_null(mut self) -> Self {
        self.null = None;
        self.kinds = self.kinds.without(Kinds::NULL);
        self
    }

    /// The same, with what is proven of its parts.
    pub(super) fn and_proven(self, proven: Facts) -> Self {
        Self { proven, ..self }
    }

    /// Whether it is for certain of no such kind.
    pub(super) fn is_never(&self, kinds: Kinds) -> bool {
        self.kinds != Kinds::NONE && !self.kinds.meets(kinds)
    }

    /// One or the other.
    pub(super) fn or(self, other: Self) -> Self {
        let below = match (self.below, other.below) {
            // Null has nothing below, and so says nothing of it.
            (below, _) if other.kinds == Kinds::NULL => below,
            (_, below) if self.kinds == Kinds::NULL => below,
            (Below::Schema(one), Below::Schema(other)) => {
                Below::Schema(Shape::any_of([one, other]))
            }
            (Below::Items(one), Below::Items(other)) => {
                let item = [one, other].into_iter().flatten().map(|item| *item);
                Below::Items(item.reduce(Self::or).map(Box::new))
            }
            (Below::Items(None), below @ Below::Schema(_))
            | (below @ Below::Schema(_), Below::Items(None)) => below,
            _ => Below::Unknown,
        };
        let kinds = self.kinds.or(other.kinds);
        let proven = self.proven.or(&other.proven);
        Self { kinds, null: self.null.or(other.null), proven, below }
    }

    /// Of a list: an item.
    pub(super) fn item(&self) -> Part<'s> {
        if self.is_never(Kinds::LIST) {
            return Part::NoParts;
        }
        let part = match &self.below {
            Below::Items(Some(item)) => (**item).clone(),
            Below::Schema(shape) => match shape.item() {
                Item::There(shape) => Self::of_shape(&shape),
                Item::Open => Self::of_schema(None),
                Item::NoList => return Part::NoParts,
            },
            Below::Items(None) | Below::Fields(_) | Below::Unknown => return Part::Unknown,
        };
        Part::There { part, may_be_missing: false }
    }

    /// Of a map: a field.
    pub(super) fn field(&self, name: &str) -> Part<'s> {
        if self.is_never(Kinds::MAP) {
            return Part::NoParts;
        }
        match &self.below {
            Below::Unknown | Below::Items(_) => Part::Unknown,
            Below::Fields(fields) => match fields.get(name) {
                Some(part) => Part::There { part: part.clone(), may_be_missing: false },
                None => Part::Nowhere(fields.keys().cloned().collect()),
            },
            Below::Schema(shape) => match shape.field(name) {
                Field::There { shape, may_be_missing } => {
                    Part::There { part: Self::of_shape(&shape), may_be_missing }
                }
                Field::Nowhere { names } => {
                    Part::Nowhere(names.into_iter().map(str::to_owned).collect())
                }
                Field::Open => Part::Open,
                Field::NoMap => Part::NoParts,
            },
        }
    }
}
