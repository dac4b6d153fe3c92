//! The words for what a step is and for what a command asks, as they stand in definitions, headers
//! and JSON.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

macro_rules! word {
    (
        $(#[$doc:meta])*
        $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $type {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $type {
            /// The word as it stands in text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Self::$variant),)+
                    _ => Err(format!("it takes {}", [$(concat!("`", $text, "`")),+].join(", "))),
                }
            }
        }
    };
}

word! {
    /// Which of a step's commands is meant.
    Phase {
        /// Forward.
        Action = "action",
        /// Backward.
        Compensation = "compensation",
        /// "What became of it?"
        Query = "query",
    }
}

word! {
    /// What a step is to its saga (Richardson, *Microservices Patterns*).
    StepKind {
        /// Can be undone.
        Compensatable = "compensatable",
        /// The point of no return.
        Pivot = "pivot",
        /// After the pivot: only forward.
        Retriable = "retriable",
    }
}

word! {
    /// What a reply says of a command.
    Outcome {
        /// Done, durably; for a compensation also "nothing to undo".
        Completed = "completed",
        /// A decided no, without effect.
        Rejected = "rejected",
        /// This attempt left nothing durable; try again.
        Failed = "failed",
        /// The participant cannot tell.
        Unknown = "unknown",
    }
}
