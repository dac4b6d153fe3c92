//! What a definition declares of the values that its expressions read.

use std::rc::Rc;

use saga_protocol::StepKind;
use serde_json::Value;

use super::{
    super::{Expression, graph::Outline, read::Fields, scope::Root},
    facts::{Facts, Segment, written},
    kinds::Kinds,
    told::Told,
    value::Type,
};

/// What a definition declares.
pub(crate) struct Declared {
    input: Option<Value>,
    has_key: bool,
    steps: Vec<DeclaredStep>,
}

struct DeclaredStep {
    name: String,
    output: Option<Value>,
    /// Why it may have none though all that need it run.
    null: Option<String>,
}

/// What is known where the expressions of one step stand, or those of the whole.
#[derive(Clone)]
pub(crate) struct Typing<'s> {
    declared: &'s Declared,
    /// What the step's `when` proves: nothing else of the step is evaluated where it does not hold.
    when: Facts,
    action: Option<Rc<Action<'s>>>,
}

/// The action that a compensation undoes.
struct Action<'s> {
    input: Type<'s>,
    output: Type<'s>,
    has_output: bool,
}

impl Declared {
    /// What the fields at the top and the outlines of the steps say.
    pub(crate) fn of(fields: &Fields<'_>, steps: &[Outline<'_>]) -> Self {
        let schema = |fields: &Fields<'_>, name| fields.get(name).map(|node| node.to_json());
        let step = |step: &Outline<'_>| {
            let name = step.label().to_owned();
            let null = if step.fields.get("when").is_some() {
                Some(format!("step `{name}` is skipped where its `when` is false"))
            } else if step.kind == Some(StepKind::Retriable) {
                Some(format!("an operator may skip step `{name}`, as it is retriable"))
            } else {
                None
            };
            DeclaredStep { name, output: schema(&step.fields, "output"), null }
        };
        Self {
            input: schema(fields, "input"),
            has_key: fields.get("expose").is_some(),
            steps: steps.iter().map(step).collect(),
        }
    }
}

impl<'s> Typing<'s> {
    pub(crate) fn new(declared: &'s Declared) -> Self {
        Self { declared, when: Facts::default(), action: None }
    }

    /// The same where `when` holds.
    pub(crate) fn when(self, when: Option<&Expression>) -> Self {
        Self { when: when.map(Expression::proves).unwrap_or_default(), ..self }
    }

    /// The same where an action is undone: what it was given, and whether it has any output.
    pub(crate) fn undoing(self, input: Type<'s>, step: &str) -> Self {
        let output = self.declared.steps.iter().find(|declared| declared.name == step);
        let output = output.and_then(|declared| declared.output.as_ref());
        let why = "the action's outcome may be unknown when this is undone";
        let action = Action {
            input,
            output: Type::of_schema(output).or_null(why),
            has_output: output.is_some(),
        };
        Self { action: Some(Rc::new(action)), ..self }
    }

    /// What `when` proves.
    pub(super) fn facts(&self) -> Facts {
        self.when.clone()
    }

    /// What a value is that expressions begin at.
    pub(super) fn root(&self, root: &Root) -> Type<'s> {
        match root {
            Root::Input => Type::of_schema(self.declared.input.as_ref()),
            Root::SagaKey if !self.declared.has_key => {
                Type::null("without `expose` a saga has no key")
            }
            Root::SagaId | Root::SagaKey => Type::of_kinds(Kinds::TEXT),
            Root::Output(name) => {
                let step = self.declared.steps.iter().find(|step| step.name == name.as_str());
                let output = Type::of_schema(step.and_then(|step| step.output.as_ref()));
                match step.and_then(|step| step.null.as_deref()) {
                    Some(why) => output.or_null(why),
                    None => output,
                }
            }
            Root::ActionInput => {
                self.action.as_ref().map_or(Type::UNKNOWN, |action| action.input.clone())
            }
            Root::ActionOutput => {
                self.action.as_ref().map_or(Type::UNKNOWN, |action| action.output.clone())
            }
        }
    }

    /// What is to be said where the path has no schema at all.
    pub(super) fn undeclared(&self, path: &[Segment]) -> Option<Told> {
        match written(path).as_str() {
            "input" if self.declared.input.is_none() => Some((
                "there is no schema of `input`, so nothing is known of its fields".to_owned(),
                "give the definition an `input`: the JSON Schema of what a saga is started with"
                    .to_owned(),
            )),
            "action.output" if self.action.as_ref().is_some_and(|action| !action.has_output) => {
                Some((
                    "there is no schema of `action.output`, so nothing is known of its fields"
                        .to_owned(),
                    "give the step an `output`: the JSON Schema of its answer".to_owned(),
                ))
            }
            _ => None,
        }
    }
}
