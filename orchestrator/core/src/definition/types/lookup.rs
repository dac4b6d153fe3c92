//! Look-ups in JSON Schemas: what a value that one admits has below. A schema is read as the shapes
//! that it leaves to choose from; in each of them all that it says holds at once. Whatever is not
//! understood makes a shape vague, and nothing is concluded from that.

use serde_json::Value;

use super::{
    choice::Choice,
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
    /// It is there, for certain or perhaps.
    There { shape: Shape<'s>, may_be_missing: bool },
    /// It is not among those that the schema names.
    Nowhere { names: Vec<&'s str> },
    /// The schema does not say which fields there are.
    Open,
    /// Nothing that the schema admits has fields.
    NoMap,
}

/// What a schema says of the items of whatever is a list.
#[derive(Clone, Debug)]
pub(crate) enum Item<'s> {
    /// What each of them is.
    There(Shape<'s>),
    /// The schema does not say what they are.
    Open,
    /// Nothing that the schema admits is a list.
    NoList,
}

impl<'s> Shape<'s> {
    /// What a schema says of a whole value.
    pub(crate) fn of(schema: &'s Value) -> Self {
        Self::below(schema, [schema])
    }

    /// Whatever it may be.
    pub(crate) fn any_of(shapes: impl IntoIterator<Item = Self>) -> Self {
        let mut choices: Vec<_> = shapes.into_iter().flat_map(|shape| shape.choices).collect();
        if choices.len() > CHOICES_MAX {
            choices.truncate(1);
            choices.iter_mut().for_each(Choice::blur);
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

    /// Whether the schema says so; one that says nothing of types does not.
    pub(crate) fn may_be_null(&self) -> bool {
        let kinds = self.choices.iter().filter_map(Choice::kinds);
        kinds.fold(Kinds::NONE, Kinds::or).meets(Kinds::NULL)
    }

    /// A field of it, where it is a map.
    pub(crate) fn field(&self, name: &str) -> Field<'s> {
        let mut found = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        let (mut may_be_missing, mut is_map) = (false, false);
        for choice in self.choices.iter().filter(|choice| choice.can_be(Kinds::MAP)) {
            is_map = true;
            match choice.field(name) {
                Field::There { shape, may_be_missing: may } => {
                    found.push(shape);
                    may_be_missing |= may;
                }
                Field::Nowhere { names: others } => {
                    names.extend(others);
                    may_be_missing = true;
                }
                Field::Open => return Field::Open,
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
        Field::There { shape: Self::any_of(found), may_be_missing }
    }

    /// An item of it, where it is a list.
    pub(crate) fn item(&self) -> Item<'s> {
        let lists: Vec<_> =
            self.choices.iter().filter(|choice| choice.can_be(Kinds::LIST)).collect();
        if lists.is_empty() {
            return Item::NoList;
        }
        let items = lists.into_iter().map(Choice::item).collect::<Option<Vec<_>>>();
        items.map_or(Item::Open, |items| Item::There(Self::any_of(items)))
    }
}
