//! Identifiers as types of their own, so that two of them cannot be swapped. All names are valid
//! routing keys.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The longest definition, step or participant name, in bytes: leaves room for prefixes within
/// AMQP's 255.
const NAME_LENGTH_MAX: usize = 63;

/// Identifies one saga. Version 7, so ids sort by the time the saga was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SagaId(pub Uuid);

impl fmt::Display for SagaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for SagaId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// A name that breaks the rules of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{name}` is not a valid {kind} name: it takes 1 to 63 of {allowed}, beginning with a letter"
)]
pub struct InvalidName {
    /// What was given, cut to a readable length.
    pub name: String,
    /// Which kind of name was expected.
    pub kind: &'static str,
    /// The characters that kind allows.
    pub allowed: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $allowed:literal, $extra:pat) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Box<str>);

        impl $type {
            /// Checks the text against the rules of this kind of name.
            ///
            /// # Errors
            /// [`InvalidName`] when the text is empty, too long, or has a character outside the
            /// allowed ones.
            pub fn new(text: &str) -> Result<Self, InvalidName> {
                let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
                let allowed = |c| matches!(c, 'a'..='z' | '0'..='9' | $extra);
                if starts_well && text.len() <= NAME_LENGTH_MAX && text.chars().all(allowed) {
                    return Ok(Self(text.into()));
                }
                let name = text.chars().take(NAME_LENGTH_MAX).collect();
                Err(InvalidName { name, kind: $kind, allowed: $allowed })
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                Self::new(&text)
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> Self {
                name.0.into()
            }
        }
    };
}

name!(
    /// The name of a definition, unique in a folder of definitions.
    DefinitionName, "definition", "`a-z`, `0-9`, `_` and `-`", '_' | '-'
);
name!(
    /// The name of a step, unique in its definition. No hyphen, so that `steps.name.output` is an
    /// expression.
    StepName, "step", "`a-z`, `0-9` and `_`", '_'
);
name!(
    /// The name of a participant: also its routing key, the end of its queue's name, and its
    /// schema's name.
    ParticipantName, "participant", "`a-z`, `0-9`, `_` and `-`", '_' | '-'
);
