//! The bodies of a step's commands and of their replies, as JSON Schemas.

use saga_protocol::{Knowledge, Outcome, limits};
use serde_json::{Value, json, value::RawValue};

use super::embed::{Shared, Source};
use crate::definition::{Branch, Compensation, Definition, Expression, Root, Step, Template};

/// What a command brings and what is answered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bodies {
    pub(super) command: Value,
    pub(super) reply: Value,
}

/// A step of a definition, and what its schemas refer to.
pub(super) struct Reader<'a> {
    pub(super) definition: &'a Definition,
    pub(super) step: &'a Step,
    pub(super) shared: &'a mut Shared,
}

impl Reader<'_> {
    /// Forward.
    pub(super) fn action(&mut self) -> Bodies {
        Bodies { command: self.input(), reply: self.forward_reply() }
    }

    /// "What became of it?": with the action's body, answered as the action.
    pub(super) fn query(&mut self) -> Bodies {
        self.action()
    }

    /// Backward.
    pub(super) fn compensation(&mut self, compensation: &Compensation) -> Bodies {
        let input = match &compensation.input {
            None => self.input(),
            Some(template) => self.template(template),
        };
        let output = self.output(self.step).unwrap_or_else(anything);
        let known = |knowledge: Knowledge, output: Value| {
            let action = json!({ "const": knowledge });
            json!({ "properties": { "action": action, "output": output } })
        };
        let command = json!({
            "type": "object",
            "required": ["action", "input", "output"],
            "properties": {
                "action": {
                    "description": "what the orchestrator knows of the action: `completed`, its \
                        effect must be there; `unknown`, it may be there, or not, or still come",
                    "enum": [Knowledge::Completed, Knowledge::Unknown],
                },
                "input": input,
                "output": { "description": "what the action answered; null where nobody knows" },
            },
            "oneOf": [
                known(Knowledge::Completed, output),
                known(Knowledge::Unknown, json!({ "type": "null" })),
            ],
        });
        Bodies { command, reply: reply(&anything(), false) }
    }

    /// The body of the action's command.
    fn input(&mut self) -> Value {
        let step = self.step;
        self.template(&step.input)
    }

    fn forward_reply(&mut self) -> Value {
        let Some(schema) = &self.step.output else {
            return reply(&anything(), false);
        };
        let is_needed = schema.validate(RawValue::NULL).is_err();
        let output = self.output(self.step).unwrap_or_else(anything);
        reply(&output, is_needed)
    }

    fn template(&mut self, template: &Template) -> Value {
        template.schema(&mut |expression| self.expression(expression))
    }

    /// What an expression makes that stands alone: by the schemas of what it names, and by the
    /// kinds that it was proven to be of.
    fn expression(&mut self, expression: &Expression) -> Value {
        let (mut schemas, mut constants) = (Vec::new(), Vec::new());
        for branch in expression.branches() {
            let known = match branch {
                Branch::Path(root, fields) => self.path(root, fields).map(|it| (it, &mut schemas)),
                Branch::Constant(value) => Some((value.clone(), &mut constants)),
                Branch::Computed => None,
            };
            let Some((schema, all)) = known else {
                return of_kinds(expression);
            };
            if !all.contains(&schema) {
                all.push(schema);
            }
        }
        schemas.extend(match constants.as_slice() {
            [] => None,
            [Value::Null] => Some(json!({ "type": "null" })),
            [only] => Some(json!({ "const": only })),
            several => Some(json!({ "enum": several })),
        });
        if let [only] = schemas.as_slice() {
            return only.clone();
        }
        // Which tests led to which branch is told by the kinds alone.
        let mut any = of_kinds(expression);
        any["anyOf"] = schemas.into();
        any
    }

    fn path(&mut self, root: &Root, fields: &[String]) -> Option<Value> {
        match root {
            Root::Input => {
                let name = format!("{}.input", self.definition.name);
                let root = self.definition.input.as_ref()?.source();
                Source { name: &name, root }.at(fields, self.shared)
            }
            Root::SagaId => Some(json!({ "type": "string", "format": "uuid" })),
            Root::SagaKey => None,
            Root::Output(name) => {
                let step = &self.definition.steps[self.definition.step(name)?];
                let may_be_skipped =
                    step.when.is_some() || step.kind.word() == saga_protocol::StepKind::Retriable;
                self.output_at(step, fields, may_be_skipped)
            }
            Root::ActionInput => {
                let input = self.input();
                // It refers to what is shared already, and so is looked up with it.
                let mut here = &input;
                for field in fields {
                    here = here.get("properties")?.get(field)?;
                }
                Some(here.clone())
            }
            Root::ActionOutput => self.output_at(self.step, fields, true),
        }
    }

    /// A step's output, or a part of it; only the whole can be null.
    fn output_at(&mut self, step: &Step, fields: &[String], may_be_null: bool) -> Option<Value> {
        let name = format!("{}.{}.output", self.definition.name, step.name);
        let root = step.output.as_ref()?.source();
        let output = Source { name: &name, root }.at(fields, self.shared)?;
        Some(match fields.is_empty() && may_be_null {
            true => json!({ "anyOf": [output, { "type": "null" }] }),
            false => output,
        })
    }

    fn output(&mut self, step: &Step) -> Option<Value> {
        self.output_at(step, &[], false)
    }
}

/// The kinds that JSON Schema tells apart, whole numbers being numbers.
const ALL_KINDS: usize = 6;

fn anything() -> Value {
    json!({})
}

/// By the kinds that it was proven to be of alone.
fn of_kinds(expression: &Expression) -> Value {
    let kinds = expression.kinds().map(|kinds| kinds.type_names()).unwrap_or_default();
    match kinds.as_slice() {
        [] => anything(),
        _ if kinds.len() >= ALL_KINDS => anything(),
        [only] => json!({ "type": only }),
        several => json!({ "type": several }),
    }
}

/// The body of a reply.
fn reply(output: &Value, is_output_needed: bool) -> Value {
    let mut required = vec!["outcome"];
    if is_output_needed {
        required.push("output");
    }
    let others = [Outcome::Rejected, Outcome::Failed, Outcome::Unknown];
    json!({
        "type": "object",
        "required": ["outcome"],
        "properties": {
            "outcome": {
                "description": "`completed`: done, durably; `rejected`: a decided no, without \
                    effect; `failed`: this attempt left nothing durable, try again; `unknown`: \
                    cannot tell",
                "enum": [Outcome::Completed, Outcome::Rejected, Outcome::Failed, Outcome::Unknown],
            },
        },
        "oneOf": [
            {
                "properties": { "outcome": { "const": Outcome::Completed }, "output": output },
                "required": required,
            },
            {
                "properties": { "outcome": { "enum": others }, "error": error() },
                "required": ["outcome"],
            },
        ],
    })
}

fn error() -> Value {
    json!({
        "type": ["object", "null"],
        "required": ["code"],
        "properties": {
            "code": {
                "description": "a stable word, such as `insufficient_funds`",
                "type": "string",
            },
            "message": {
                "description": format!("for people; cut to {} bytes", limits::ERROR_BYTES_MAX),
                "type": "string",
            },
        },
    })
}
