//! The format of a file, as one table: the objects it has, the fields of each, and what those take.
//! The readers take their fields and limits from it, and the JSON Schema that editors complete and
//! check with is written from it (`schema`), so that the two cannot differ.

mod schema;

use std::{ops::RangeInclusive, time::Duration};

use saga_protocol::{StepKind, limits};

pub use schema::format_schema;

/// The longest deadline: a saga that may take longer than a year needs none.
pub(super) const DEADLINE_MAX: Duration = Duration::from_hours(24 * 365);
/// An attempt of an action or compensation, where a definition does not say otherwise.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest timeout and the longest wait between attempts: a command may start for a day.
pub(super) const WAIT_MAX: Duration = limits::COMMAND_LIFETIME;
/// The most attempts: at five minutes each, this is three and a half days.
pub(super) const ATTEMPTS_MAX: u32 = 1_000;
/// The steepest growth of waits: beyond it the first wait and the longest are all there is.
pub(super) const FACTOR_MAX: f64 = 100.0;
/// The longest name of an action, in bytes: together with a participant's it must fit into 255.
pub(super) const ACTION_BYTES_MAX: usize = 63;
/// The longest path of a definition, in bytes.
pub(super) const PATH_BYTES_MAX: usize = 200;
/// Paths that are the API's own, and all below them.
pub(super) const PATHS_TAKEN: [&str; 5] =
    ["/v1", "/healthz", "/readyz", "/metrics", "/openapi.json"];
/// What `compensation` says where there is nothing to undo.
pub(super) const NO_COMPENSATION: &str = "none";
/// What a step can be to its saga.
pub(super) const STEP_KINDS: [StepKind; 3] =
    [StepKind::Compensatable, StepKind::Pivot, StepKind::Retriable];
/// What else is said of a compensation.
pub(super) const COMPENSATION_DETAILS: [&str; 3] =
    ["compensation_input", "compensation_timeout", "compensation_retry"];

/// A map with known fields.
pub(super) struct Object {
    /// What it is, to be said of a field that it lacks or does not have.
    pub(super) what: &'static str,
    fields: &'static [Field],
}

/// A field of an object.
pub(super) struct Field {
    name: &'static str,
    /// Whether the object is nothing without it.
    is_required: bool,
    /// What its value is.
    takes: Takes,
    /// What it means, for whoever writes one.
    says: &'static str,
}

/// What a value can be.
enum Takes {
    /// Text that is not empty.
    Text,
    /// The name of a definition or of a participant.
    Name,
    /// The name of a step: no hyphen.
    StepName,
    /// The names of other steps.
    StepNames,
    /// The name of an action.
    Action,
    /// A path of the HTTP API.
    Path,
    /// What a step is to its saga.
    Kind,
    /// From a millisecond on.
    Duration {
        max: Duration,
        default: Option<Duration>,
    },
    Integer(RangeInclusive<u32>),
    Number(RangeInclusive<f64>),
    /// CEL, without `${…}`.
    Expression,
    /// JSON in which `${…}` stands for a value.
    Template,
    /// A JSON Schema.
    Schema,
    Object(&'static Object),
    /// At least one, and at most so many.
    Objects {
        each: &'static Object,
        max: usize,
    },
}

impl Object {
    /// The names of its fields, in the order in which they are told.
    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().map(|field| field.name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    /// The names of those that it is nothing without.
    pub(super) fn required(&self) -> impl Iterator<Item = &'static str> {
        self.fields.iter().filter(|field| field.is_required).map(|field| field.name)
    }
}

const fn required(name: &'static str, takes: Takes, says: &'static str) -> Field {
    Field { name, is_required: true, takes, says }
}

const fn optional(name: &'static str, takes: Takes, says: &'static str) -> Field {
    Field { name, is_required: false, takes, says }
}

/// What stands at the top of a file.
pub(super) static DEFINITION: Object = Object {
    what: "a definition",
    fields: &[
        required("saga", Takes::Name, "The name of the saga, unique in its folder."),
        optional("description", Takes::Text, "What the saga is for."),
        optional("expose", Takes::Object(&EXPOSE), "A path of its own, to start sagas there."),
        optional("value", Takes::Object(&VALUE), "What is at risk while a saga runs."),
        optional(
            "deadline",
            Takes::Duration { max: DEADLINE_MAX, default: None },
            "How long a saga may take before it turns back, unless its pivot was sent.",
        ),
        optional("input", Takes::Schema, "The JSON Schema of what a saga is started with."),
        required(
            "steps",
            Takes::Objects { each: &STEP, max: limits::STEPS_MAX },
            "What is done; each step needs the one above, unless it says otherwise.",
        ),
        optional("output", Takes::Template, "What a completed saga answers."),
    ],
};

/// A path of a definition's own.
pub(super) static EXPOSE: Object = Object {
    what: "`expose`",
    fields: &[
        required("path", Takes::Path, "Where sagas are started with POST, such as `/orders`."),
        required(
            "key",
            Takes::Expression,
            "The business key, out of `input`: a second start with it is the same saga.",
        ),
    ],
};

/// What is at risk.
pub(super) static VALUE: Object = Object {
    what: "`value`",
    fields: &[
        required("amount", Takes::Expression, "How much, in minor units, out of `input`."),
        required("currency", Takes::Expression, "Of which currency, out of `input`."),
    ],
};

/// A step.
pub(super) static STEP: Object = Object {
    what: "a step",
    fields: &[
        required(
            "name",
            Takes::StepName,
            "Its name; others read what it answers as `steps.<name>.output`.",
        ),
        required("participant", Takes::Name, "Who does it."),
        optional(
            "kind",
            Takes::Kind,
            "What it is to its saga: one that can be undone, the \
                                       point of no return, or one that must happen after it.",
        ),
        required("action", Takes::Action, "What the participant is asked to do."),
        optional(
            "compensation",
            Takes::Action,
            "What undoes the action; `none` says aloud that there is nothing to undo.",
        ),
        optional(
            "compensation_input",
            Takes::Template,
            "What the compensation is given, instead of the action's input and output; it may \
             read `action.input` and `action.output`, which is null where it is unknown.",
        ),
        optional(
            "compensation_timeout",
            Takes::Duration { max: WAIT_MAX, default: None },
            "How long an attempt of the compensation may take, if not `timeout`.",
        ),
        optional(
            "compensation_retry",
            Takes::Object(&RETRY),
            "How often the compensation is tried.",
        ),
        optional(
            "needs",
            Takes::StepNames,
            "The steps that must be completed or skipped before; without it, the step above.",
        ),
        optional(
            "when",
            Takes::Expression,
            "Whether it runs at all; evaluated once, when all it needs is there.",
        ),
        optional(
            "query",
            Takes::Action,
            "What the participant is asked when it is unknown what became of the action.",
        ),
        optional("input", Takes::Template, "What the action is given."),
        optional(
            "output",
            Takes::Schema,
            "The JSON Schema of what the action answers; without it nobody can read that.",
        ),
        optional(
            "timeout",
            Takes::Duration { max: WAIT_MAX, default: Some(TIMEOUT) },
            "How long an attempt of the action may take.",
        ),
        optional("retry", Takes::Object(&RETRY), "How often the action is tried."),
    ],
};

/// A retry policy.
pub(super) static RETRY: Object = Object {
    what: "a retry policy",
    fields: &[
        optional("attempts", Takes::Integer(1..=ATTEMPTS_MAX), "Attempts altogether."),
        optional(
            "initial",
            Takes::Duration { max: WAIT_MAX, default: None },
            "The longest wait after the first attempt.",
        ),
        optional(
            "factor",
            Takes::Number(1.0..=FACTOR_MAX),
            "By how much that grows with each attempt.",
        ),
        optional(
            "max",
            Takes::Duration { max: WAIT_MAX, default: None },
            "The longest wait after any attempt.",
        ),
    ],
};
