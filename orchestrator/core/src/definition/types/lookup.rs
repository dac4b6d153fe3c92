//! Look-ups in JSON Schemas: what a value that one admits has below. A schema is read as the shapes
//! that it leaves to choose from; in each of them all that it says holds at once. Whatever is not
//! understood makes a shape vague: what is read of it is told to be open.

use serde_json::Value;

use super::{
    choice::{ANYTHING, Choice},
    kinds::Kinds,
    reader::{CHOICES_MAX, Reader},
};

/// What a JSON Schema says of a value.
#[derive(Clone, Debug)]
pub(crate) struct Shape<'s> {
    pub(super) choices: Vec<Choice<'s>>,
}

/// What a schema says of a field, of whatever has fields at all. Whether that may be null is told
/// by [`Shape::may_be_null`].
#[derive(Clone, Debug)]
pub(crate) enum Field<'s> {
    /// It is there, for certain or perhaps; `is_open` where the schema does not say which fields
    /// there are.
    There { shape: Shape<'s>, may_be_missing: bool, is_open: bool },
    /// It is not among those that the schema names.
    Nowhere { names: Vec<&'s str> },
    /// Nothing that the schema admits has fields.
    NoMap,
}

/// What a schema says of an item of whatever is a list.
#[derive(Clone, Debug)]
pub(crate) enum Item<'s> {
    /// What it is; `is_open` where the schema does not say that.
    There { shape: Shape<'s>, may_be_missing: bool, is_open: bool },
    /// Nothing that the schema admits is a list.
    NoList,
}

impl Field<'_> {
    /// Of which nothing is said.
    pub(super) fn open() -> Self {
        Self::There { shape: Shape::anything(), may_be_missing: false, is_open: true }
    }
}

impl<'s> Shape<'s> {
    /// What a schema says of a whole value.
    pub(crate) fn of(schema: &'s Value) -> Self {
        Self::below(schema, [schema])
    }

    /// What nothing is said of.
    pub(super) fn anything() -> Self {
        Self { choices: vec![Choice::anything(&ANYTHING)] }
    }

    /// Whatever it may be.
    pub(crate) fn any_of(shapes: impl IntoIterator<Item = Self>) -> Self {
        let mut choices: Vec<_> = shapes.into_iter().flat_map(|shape| shape.choices).collect();
        if choices.len() > CHOICES_MAX {
            choices = Choice::blur(choices);
        }
        Self { choices }
    }

    /// What a value is of which all these say something.
    pub(super) fn below(root: &'s Value, schemas: impl IntoIterator<Item = &'s Value>) -> Self {
        let choices = Reader::new(root).all_of(schemas);
        Self { choices: choices.into_iter().filter(Choice::is_possible).collect() }
    }

    /// The kinds that it can be of; all where the schema does not say.
    pub(crate) fn kinds(&self) -> Kinds {
        let kinds = self.choices.iter().map(|choice| choice.kinds().unwrap_or(Kinds::ALL));
        kinds.fold(Kinds::NONE, Kinds::or)
    }

    /// Those of which the schema says that it can be of them.
    pub(super) fn known_kinds(&self) -> Kinds {
        self.choices.iter().filter_map(Choice::kinds).fold(Kinds::NONE, Kinds::or)
    }

    /// A field of it, where it is a map.
    pub(crate) fn field(&self, name: &str) -> Field<'s> {
        let mut found = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        let (mut may_be_missing, mut is_open, mut is_map) = (false, false, false);
        for choice in self.choices.iter().filter(|choice| choice.can_be(Kinds::MAP)) {
            is_map = true;
            match choice.field(name) {
                Field::There { shape, may_be_missing: may, is_open: open } => {
                    found.push(shape);
                    may_be_missing |= may;
                    is_open |= open;
                }
                Field::Nowhere { names: others } => {
                    names.extend(others);
                    may_be_missing = true;
                }
                Field::NoMap => {}
            }
        }
        if !is_map {
            return Field::NoMap;
        }
        if found.is_empty() {
            names.sort_unstable();
            names.dedup();
            return Field::Nowhere { names };
        }
        Field::There { shape: Self::any_of(found), may_be_missing, is_open }
    }

    /// Whatever any of its fields is, where it is a map.
    pub(super) fn any_field(&self) -> Field<'s> {
        let maps: Vec<_> = self.choices.iter().filter(|choice| choice.can_be(Kinds::MAP)).collect();
        if maps.is_empty() {
            return Field::NoMap;
        }
        let fields: Vec<_> = maps.into_iter().map(Choice::any_field).collect();
        let (shape, is_open) = Self::any_or_open(fields);
        Field::There { shape, may_be_missing: true, is_open }
    }

    /// An item of it, where it is a list; any where none is named.
    pub(crate) fn item(&self, at: Option<usize>) -> Item<'s> {
        let lists: Vec<_> = self.lists().map(|list| (list.items_min(), list.item(at))).collect();
        if lists.is_empty() {
            return Item::NoList;
        }
        // Of what nothing is said is open, and told so.
        let is_short = |(min, item): &(usize, Option<_>)| item.is_some() && Some(*min) <= at;
        let may_be_missing = lists.iter().any(is_short);
        let (shape, is_open) = Self::any_or_open(lists.into_iter().map(|(_, item)| item).collect());
        Item::There { shape, may_be_missing, is_open }
    }

    /// How many items it has at least, where it is a list.
    pub(super) fn items_min(&self) -> usize {
        self.lists().map(Choice::items_min).min().unwrap_or(0)
    }

    fn lists(&self) -> impl Iterator<Item = &Choice<'s>> {
        self.choices.iter().filter(|choice| choice.can_be(Kinds::LIST))
    }

    /// Whatever it may be, and whether there is a shape of which nothing is said.
    fn any_or_open(shapes: Vec<Option<Self>>) -> (Self, bool) {
        let is_open = shapes.iter().any(Option::is_none);
        let shapes = shapes.into_iter().map(|shape| shape.unwrap_or_else(Self::anything));
        (Self::any_of(shapes), is_open)
    }
}
