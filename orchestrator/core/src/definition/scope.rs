//! What expressions can read: at run time the values (`Scope`), at load time what of it is in sight
//! (`View`).

use std::borrow::Cow;

use saga_protocol::{Json, SagaId, StepName};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    Expression, Template,
    nearest::did_you_mean,
    types::{Type, Typing},
};

/// The values that expressions read while a saga runs.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    /// The saga's input.
    pub input: &'a Json,
    /// The saga's id, once it has one.
    pub saga_id: Option<SagaId>,
    /// The saga's business key.
    pub saga_key: Option<&'a str>,
    /// What each step's action answered; `None`, read as null, where it has not or was skipped.
    pub outputs: Vec<(&'a StepName, Option<&'a Json>)>,
    /// The action that a compensation undoes.
    pub action: Option<ActionScope<'a>>,
}

/// The action that a compensation undoes.
#[derive(Clone, Copy, Debug)]
pub struct ActionScope<'a> {
    /// What it was given.
    pub input: &'a Json,
    /// What it answered; `None` where that is unknown.
    pub output: Option<&'a Json>,
}

/// A value that an expression can begin at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Root {
    Input,
    SagaId,
    SagaKey,
    Output(StepName),
    ActionInput,
    ActionOutput,
}

impl<'a> Scope<'a> {
    /// The value at a root; null where there is none.
    pub(super) fn value(&self, root: &Root) -> Cow<'a, RawValue> {
        let action = self.action.as_ref();
        let value: Option<&'a RawValue> = match root {
            Root::Input => Some(self.input),
            Root::SagaId => return text(self.saga_id.map(|id| id.to_string()).as_deref()),
            Root::SagaKey => return text(self.saga_key),
            Root::Output(step) => {
                let output = self.outputs.iter().find(|(name, _)| *name == step);
                output.and_then(|(_, output)| output.map(|output| &**output))
            }
            Root::ActionInput => action.map(|action| &**action.input),
            Root::ActionOutput => action.and_then(|action| action.output).map(|output| &**output),
        };
        Cow::Borrowed(value.unwrap_or(RawValue::NULL))
    }
}

fn text<'a>(text: Option<&str>) -> Cow<'a, RawValue> {
    let json = text.and_then(|text| to_raw_value(text).ok());
    json.map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned)
}

/// What an expression may read, by where it stands.
#[derive(Clone)]
pub(super) struct View<'a> {
    /// Whether there is a saga already, with id and key.
    pub(super) saga: Stage,
    /// Every step of the definition.
    pub(super) steps: Vec<(&'a str, Sight)>,
    /// Whether the names of all steps are sound. Where one is refused, what cannot be found may be
    /// that step, and is not told of.
    pub(super) are_named: bool,
    /// What is known of what can be read; `None` for what is stored, of which nothing is proven
    /// anew.
    pub(super) typing: Option<Typing<'a>>,
}

/// How far a saga is where an expression is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is only an input.
    Before,
    /// It runs.
    Running,
    /// It runs backwards, and an action is undone.
    Undoing,
}

/// Whether a step's output can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    Readable,
    /// It declares none.
    Undeclared,
    /// The step need not have run yet.
    NotBefore,
    /// It is the step that reads.
    Itself,
}

/// Why something cannot be read.
#[derive(Debug)]
pub(super) struct Unseen {
    pub(super) message: String,
    pub(super) hint: String,
}

impl<'a> View<'a> {
    /// The same where a step's `when` holds.
    pub(super) fn when(self, when: Option<&Expression>) -> Self {
        Self { typing: self.typing.map(|typing| typing.when(when)), ..self }
    }

    /// The same where the action of a step is undone, which was given this.
    pub(super) fn undoing(&self, input: Option<&Template>, step: &str) -> Self {
        let input = input.and_then(|input| input.infer(self)).unwrap_or(Type::UNKNOWN);
        let typing = self.typing.clone().map(|typing| typing.undoing(input, step));
        let (steps, are_named) = (self.steps.clone(), self.are_named);
        Self { saga: Stage::Undoing, typing, steps, are_named }
    }

    /// What a name with its fields refers to, and how many of the fields that takes.
    pub(super) fn resolve(&self, name: &str, fields: &[&str]) -> Result<(Root, usize), Unseen> {
        match (name, fields) {
            ("input", _) => Ok((Root::Input, 0)),
            ("saga", ["id", ..]) if self.saga != Stage::Before => Ok((Root::SagaId, 1)),
            ("saga", ["key", ..]) if self.saga != Stage::Before => Ok((Root::SagaKey, 1)),
            ("action", ["input", ..]) if self.saga == Stage::Undoing => Ok((Root::ActionInput, 1)),
            ("action", ["output", ..]) if self.saga == Stage::Undoing => {
                Ok((Root::ActionOutput, 1))
            }
            ("steps", [step, rest @ ..]) if self.saga != Stage::Before => {
                self.resolve_step(step, rest).map(|root| (root, 2))
            }
            _ => {
                let path = [&[name], fields].concat();
                let path = path[..path.len().min(2)].join(".");
                let message = format!("`{path}` cannot be read here");
                Err(Unseen { message, hint: self.everything() })
            }
        }
    }

    fn resolve_step(&self, step: &str, fields: &[&str]) -> Result<Root, Unseen> {
        let Some((_, sight)) = self.steps.iter().find(|(name, _)| *name == step) else {
            let hint = did_you_mean(step, self.steps.iter().map(|(name, _)| *name));
            let hint = hint.unwrap_or_else(|| "name a step of this definition".to_owned());
            return Err(Unseen { message: format!("there is no step `{step}`"), hint });
        };
        if fields.first() != Some(&"output") {
            let message = format!("only the output of step `{step}` can be read");
            return Err(Unseen { message, hint: format!("write `steps.{step}.output`") });
        }
        match (sight, StepName::new(step)) {
            (Sight::Readable, Ok(step)) => Ok(Root::Output(step)),
            (Sight::Readable | Sight::NotBefore, _) => {
                let message = format!("step `{step}` need not have run when this is evaluated");
                let hint = format!("add `{step}` to `needs`, of this step or of one that it needs");
                Err(Unseen { message, hint })
            }
            (Sight::Itself, _) => {
                let hint = match self.saga {
                    Stage::Before | Stage::Running => "only steps that need it can read it",
                    Stage::Undoing => "write `action.output`",
                };
                let message = format!("step `{step}` cannot read its own output");
                Err(Unseen { message, hint: hint.to_owned() })
            }
            (Sight::Undeclared, _) => {
                let message = format!("step `{step}` declares no `output`, so it cannot be read");
                let hint = format!("give step `{step}` an `output`: the JSON Schema of its answer");
                Err(Unseen { message, hint })
            }
        }
    }

    fn everything(&self) -> String {
        let names = match self.saga {
            Stage::Before => "`input`",
            Stage::Running => "`input`, `saga.id`, `saga.key` and `steps.<step>.output`",
            Stage::Undoing => {
                "`input`, `saga.id`, `saga.key`, `steps.<step>.output`, `action.input` and \
                 `action.output`"
            }
        };
        format!("an expression sees {names} here")
    }
}
