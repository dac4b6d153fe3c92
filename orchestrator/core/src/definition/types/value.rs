//! What is known of a value before there is one.

use std::{collections::BTreeMap, rc::Rc};

use serde_json::Value;

use super::{
    choice::ANYTHING,
    facts::{Facts, Segment},
    kinds::Kinds,
    lookup::Shape,
    part::Part,
};

/// What a value may be that is made in different ways: more are not told apart.
const ALTERNATIVES_MAX: usize = 16;

/// What is known of a value.
#[derive(Clone, Debug)]
pub(crate) struct Type<'s> {
    pub(super) kinds: Kinds,
    /// Those of the kinds that something says it can be of; the others are only not ruled out.
    pub(super) known: Kinds,
    /// Why it may be null, where that is to be reckoned with.
    pub(super) null: Option<Rc<str>>,
    /// What the tests before it proved of its parts.
    pub(super) proven: Facts,
    pub(super) below: Below<'s>,
}

/// What is known of the parts of a value.
#[derive(Clone, Debug)]
pub(super) enum Below<'s> {
    Unknown,
    Schema(Shape<'s>),
    Fields(BTreeMap<String, Type<'s>>),
    /// What each item is, `None` where there is none, and how many there are at least.
    Items {
        item: Option<Box<Type<'s>>>,
        count_min: usize,
    },
    /// It is one of these, and what is read of it must be there in each of them.
    Either(Vec<Type<'s>>),
}

impl<'s> Type<'s> {
    /// Nothing is known, and nobody can be asked to say more.
    pub(crate) const UNKNOWN: Self = Self::perhaps(Kinds::ALL);

    pub(crate) const TEXT: Self = Self::of_kinds(Kinds::TEXT);

    pub(super) const fn of_kinds(kinds: Kinds) -> Self {
        Self { kinds, known: kinds, null: None, proven: Facts::NONE, below: Below::Unknown }
    }

    /// Of which no other kinds are left, though nothing says that it can be of all these.
    pub(super) const fn perhaps(kinds: Kinds) -> Self {
        let known = Kinds::NONE;
        Self { kinds, known, null: None, proven: Facts::NONE, below: Below::Unknown }
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
        Self::of_shape(Shape::of(schema.unwrap_or(&ANYTHING)))
    }

    pub(super) fn of_shape(shape: Shape<'s>) -> Self {
        let (kinds, known) = (shape.kinds(), shape.known_kinds());
        let null = known.meets(Kinds::NULL).then(|| "its schema allows that".into());
        Self { kinds, known, null, proven: Facts::NONE, below: Below::Schema(shape) }
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
        let mut count = 0;
        let item = items.into_iter().inspect(|_| count += 1).reduce(Self::or);
        Self::items(item, count)
    }

    fn items(item: Option<Self>, count_min: usize) -> Self {
        let below = Below::Items { item: item.map(Box::new), count_min };
        Self { below, ..Self::of_kinds(Kinds::LIST) }
    }

    /// One list behind the other.
    pub(super) fn joined(&self, other: &Self) -> Self {
        let count_min = self.count_min().saturating_add(other.count_min());
        let item = self.any_item().into_iter().chain(other.any_item()).reduce(Self::or);
        Self::items(item, count_min)
    }

    /// The same, but it may also be null.
    pub(crate) fn or_null(mut self, why: &str) -> Self {
        self.null = Some(why.into());
        self.kinds = self.kinds.or(Kinds::NULL);
        self.known = self.known.or(Kinds::NULL);
        self
    }

    /// The same, but it is proven not to be null.
    pub(super) fn and_not_null(mut self) -> Self {
        self.null = None;
        self.kinds = self.kinds.without(Kinds::NULL);
        self.known = self.known.without(Kinds::NULL);
        self
    }

    /// The same, with more that is proven of its parts.
    pub(super) fn and_proven(mut self, proven: Facts) -> Self {
        self.proven = self.proven.and(proven);
        self
    }

    /// The same once it was written as JSON and read again: that keeps no fraction of zero.
    pub(crate) fn written(self) -> Self {
        let written = |kinds: Kinds| match kinds.meets(Kinds::FRACTION) {
            true => kinds.or(Kinds::INTEGER),
            false => kinds,
        };
        let below = match self.below {
            Below::Fields(fields) => {
                let fields = fields.into_iter().map(|(name, field)| (name, field.written()));
                Below::Fields(fields.collect())
            }
            Below::Items { item, count_min } => {
                Below::Items { item: item.map(|item| Box::new(item.written())), count_min }
            }
            Below::Either(all) => Below::Either(all.into_iter().map(Self::written).collect()),
            Below::Unknown | Below::Schema(_) => self.below,
        };
        Self { kinds: written(self.kinds), known: written(self.known), below, ..self }
    }

    /// Whether it is for certain of no such kind.
    pub(super) fn is_never(&self, kinds: Kinds) -> bool {
        self.kinds != Kinds::NONE && !self.kinds.meets(kinds)
    }

    /// What of it is of other kinds, for certain or as far as something is known; null is told of
    /// by itself.
    pub(super) fn misses(&self, kinds: Kinds) -> Option<Kinds> {
        let but = if self.is_never(kinds) { self.kinds } else { self.known.without(kinds) };
        Some(but.without(Kinds::NULL)).filter(|but| !but.is_empty())
    }

    /// Whether it may be something else, of which nothing is said.
    pub(super) fn is_open_but(&self, kinds: Kinds) -> bool {
        !self.kinds.without(self.known).without(kinds).is_empty()
    }

    /// One or the other.
    pub(super) fn or(self, other: Self) -> Self {
        let kinds = self.kinds.or(other.kinds);
        let known = self.known.or(other.known);
        let null = self.null.clone().or_else(|| other.null.clone());
        let proven = self.proven.or(&other.proven);
        let below = match (self.below, other.below) {
            // Null has nothing below, and so says nothing of it.
            (below, _) if other.kinds == Kinds::NULL => below,
            (_, below) if self.kinds == Kinds::NULL => below,
            (Below::Unknown, Below::Unknown) => Below::Unknown,
            (Below::Schema(one), Below::Schema(other)) => {
                Below::Schema(Shape::any_of([one, other]))
            }
            (
                Below::Items { item: one, count_min },
                Below::Items { item: other, count_min: other_min },
            ) => {
                let item = [one, other].into_iter().flatten().map(|item| *item);
                let item = item.reduce(Self::or).map(Box::new);
                Below::Items { item, count_min: count_min.min(other_min) }
            }
            (one, another) => {
                let mut all = Self { below: one, ..self }.alternatives();
                all.extend(Self { below: another, ..other }.alternatives());
                match all.len() > ALTERNATIVES_MAX {
                    // What is read of it then is told of.
                    true => Below::Schema(Shape::anything()),
                    false => Below::Either(all),
                }
            }
        };
        Self { kinds, known, null, proven, below }
    }

    fn alternatives(self) -> Vec<Self> {
        if let Below::Either(all) = self.below { all } else { vec![self] }
    }

    /// What any item of it is, where it is a list that has some.
    fn any_item(&self) -> Option<Self> {
        let is_empty = matches!(&self.below, Below::Items { item: None, .. });
        match self.item(None) {
            Part::There { part, .. } if !is_empty => Some(part),
            Part::There { .. } | Part::Nowhere(_) | Part::NoParts => None,
        }
    }

    /// How many items it has at least, where it is a list.
    fn count_min(&self) -> usize {
        match &self.below {
            Below::Items { count_min, .. } => *count_min,
            Below::Schema(shape) => shape.items_min(),
            Below::Either(all) => all.iter().map(Self::count_min).min().unwrap_or(0),
            Below::Unknown | Below::Fields(_) => 0,
        }
    }

    /// Adds what is proven of a part of it.
    pub(super) fn known_of(&self, segment: &Segment, part: Part<'s>) -> Part<'s> {
        let Part::There { mut part, mut may_be_missing, mut is_open, is_untyped } = part else {
            return part;
        };
        let path = std::slice::from_ref(segment);
        if self.proven.is_present(path) {
            (may_be_missing, is_open) = (false, false);
        }
        if self.proven.is_not_null(path) {
            part = part.and_not_null();
        }
        let part = part.and_proven(self.proven.of_parts(path));
        Part::There { part, may_be_missing, is_open, is_untyped }
    }
}
