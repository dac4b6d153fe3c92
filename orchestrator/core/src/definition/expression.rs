//! Expressions in CEL: compiled and checked once, evaluated against a scope. The same values always
//! give the same answer: there is no clock in them, and no order that hangs on chance.

use std::{collections::BTreeMap, fmt, sync::Arc};

use cel::{Context, ExecutionError, IdedExpr, ParseErrors, Value};
use saga_protocol::Json;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    ast::{self, ENV, Survey},
    branch::{self, Branch},
    diagnostic::Severity,
    payload,
    scope::{Root, Scope, Unseen, View},
    types::{self, Facts, Finding, Kinds, Type, Wants},
};

/// The longest expression: more is a program, and belongs into a participant.
const SOURCE_BYTES_MAX: usize = 2_048;

/// A checked expression.
pub struct Expression {
    source: String,
    program: IdedExpr,
    survey: Survey,
    /// The kinds that its value can be of, where that was found out.
    kinds: Option<Kinds>,
    branches: Vec<Branch>,
}

/// An expression that has no value for the given input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}`: {message}")]
pub struct ExpressionError {
    /// The expression.
    pub expression: String,
    /// Why it has no value; never a value of a payload.
    pub message: String,
}

/// What is wrong with an expression.
#[derive(Debug)]
pub(super) struct Problem {
    /// Where in its text, in characters.
    pub(super) offset: usize,
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Problem {
    fn error(offset: usize, message: String, hint: Option<String>) -> Self {
        Self { offset, severity: Severity::Error, message, hint }
    }
}

impl Expression {
    /// Compiles, and finds all that is wrong: an expression comes with warnings at most.
    pub(super) fn compile(
        source: &str,
        view: &View<'_>,
        wants: Wants,
    ) -> (Option<Self>, Vec<Problem>) {
        if source.len() > SOURCE_BYTES_MAX {
            let message = format!("an expression has at most {SOURCE_BYTES_MAX} bytes");
            let hint = Some("let a participant compute it".to_owned());
            return (None, vec![Problem::error(0, message, hint)]);
        }
        let program = match ENV.compile(source) {
            Ok(program) => program,
            Err(errors) => return (None, vec![misspelt(&errors)]),
        };
        let mut survey = ast::survey(program.expression(), view);
        if survey.is_blind || !survey.problems.is_empty() {
            let problem = |(at, unseen): (String, Unseen)| {
                let offset = source.find(&at).map_or(0, |at| source[..at].chars().count());
                Problem::error(offset, unseen.message, Some(unseen.hint))
            };
            return (None, survey.problems.drain(..).map(problem).collect());
        }
        let findings = view
            .typing
            .as_ref()
            .map(|typing| types::check(program.expression(), view, typing, wants));
        let problem = |Finding { id, severity, message, hint }: Finding| {
            let offset = program.source_info().offset_for(id).map_or(0, |(start, _)| start);
            let offset = usize::try_from(offset).unwrap_or(0);
            Problem { offset, severity, message, hint: Some(hint) }
        };
        let problems: Vec<_> = findings.into_iter().flatten().map(problem).collect();
        if problems.iter().any(|problem| problem.severity == Severity::Error) {
            return (None, problems);
        }
        let mut program = program.expression().clone();
        let typing = view.typing.as_ref();
        let kinds = typing.map(|typing| types::infer(&program, view, typing).kinds());
        let branches = branch::branches(&program, view);
        ast::guard_loops(&mut program);
        (Some(Self { source: source.to_owned(), program, survey, kinds, branches }), problems)
    }

    /// The expression as it is written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Its value as JSON. A plain path passes what it names through, byte for byte.
    ///
    /// # Errors
    /// [`ExpressionError`] where it has none, or one that JSON has not.
    pub fn evaluate(&self, scope: &Scope<'_>) -> Result<Json, ExpressionError> {
        if let Some((root, fields)) = &self.survey.path {
            return follow(scope, root, fields).map_err(|message| self.error(message));
        }
        let value = self.value(scope)?;
        payload::write(&value).map_err(|message| self.error(message))
    }

    /// Its value, which must be true or false.
    ///
    /// # Errors
    /// [`ExpressionError`] where it has none, or another one.
    pub fn evaluate_bool(&self, scope: &Scope<'_>) -> Result<bool, ExpressionError> {
        let value = self.value(scope)?;
        if let Value::Bool(value) = value {
            return Ok(value);
        }
        Err(self.error(format!("it is neither true nor false, but a {}", value.type_of())))
    }

    /// All that it can come to.
    pub(crate) fn branches(&self) -> &[Branch] {
        &self.branches
    }

    /// The kinds that its value can be of; `None` where nothing was proven.
    pub(crate) fn kinds(&self) -> Option<Kinds> {
        self.kinds
    }

    pub(super) fn error(&self, message: impl Into<String>) -> ExpressionError {
        ExpressionError { expression: self.source.clone(), message: message.into() }
    }

    /// What follows from it that this is true.
    pub(super) fn proves(&self) -> Facts {
        Facts::default().assuming(&self.program, true)
    }

    /// What its value is, where something is known of what it reads.
    pub(super) fn infer<'s>(&self, view: &View<'s>) -> Option<Type<'s>> {
        view.typing.as_ref().map(|typing| types::infer(&self.program, view, typing))
    }

    fn value(&self, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
        let context = self.context(scope).map_err(|message| self.error(message))?;
        context.resolve(&self.program).map_err(|error| self.error(explain(&error)))
    }

    /// Only what the expression reads: to convert values costs far more than to evaluate.
    fn context(&self, scope: &Scope<'_>) -> Result<Context<'static, 'static>, String> {
        let mut context = Context::with_env(Arc::clone(&ENV));
        let mut maps: BTreeMap<&str, Vec<(&str, Value)>> = BTreeMap::new();
        for root in &self.survey.reads {
            let value = payload::read(&scope.value(root))?;
            let (name, field, value) = match root {
                Root::Input => {
                    context.add_variable_from_value("input", value);
                    continue;
                }
                Root::SagaId => ("saga", "id", value),
                Root::SagaKey => ("saga", "key", value),
                Root::ActionInput => ("action", "input", value),
                Root::ActionOutput => ("action", "output", value),
                Root::Output(step) => {
                    ("steps", step.as_str(), payload::map([("output".to_owned(), value)]))
                }
            };
            maps.entry(name).or_default().push((field, value));
        }
        for (name, fields) in maps {
            let fields = fields.into_iter().map(|(field, value)| (field.to_owned(), value));
            context.add_variable_from_value(name, payload::map(fields));
        }
        Ok(context)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.source).finish()
    }
}

/// What keeps a text from being an expression. Only the first error says that; the others follow
/// from it.
fn misspelt(errors: &ParseErrors) -> Problem {
    let first = errors.errors.first();
    let offset = first.map_or(0, |error| usize::try_from(error.pos.1 - 1).unwrap_or(0));
    let said = first.map_or("", |error| error.msg.as_str());
    let said = said.strip_prefix("Syntax error: ").unwrap_or(said);
    let message = if said.contains("Recursion limit") {
        "this expression is nested too deeply".to_owned()
    } else if said.contains("'<EOF>'") {
        "this expression ends too early".to_owned()
    } else {
        let said = said.split(" expecting ").next().unwrap_or(said);
        format!("this is not an expression: {said}")
    };
    Problem::error(offset, message, None)
}

/// Follows a path through the bytes, so that what it leads to stays as it was written.
fn follow(scope: &Scope<'_>, root: &Root, fields: &[String]) -> Result<Json, String> {
    let value = scope.value(root);
    let mut at: &RawValue = &value;
    for field in fields {
        if at.get() == RawValue::NULL.get() {
            return Err(format!("there is no field `{field}`: what should have it is null"));
        }
        let entries: Result<BTreeMap<String, &RawValue>, _> = serde_json::from_str(at.get());
        let entries = entries.map_err(|_| format!("what should have field `{field}` is no map"))?;
        at = entries.get(field).copied().ok_or_else(|| format!("there is no field `{field}`"))?;
    }
    to_raw_value(at).map_err(|error| error.to_string())
}

/// Why an evaluation failed, without the values it failed on.
fn explain(error: &ExecutionError) -> String {
    if let ExecutionError::NoSuchKey(key) = error {
        return format!("there is no field `{key}`");
    }
    if let ExecutionError::FunctionError { function, message } = error {
        return if function.starts_with('@') {
            message.clone()
        } else {
            format!("`{function}` has no result for these values")
        };
    }
    if let ExecutionError::NoSuchOverload(overload) = error {
        return overload.to_string();
    }
    if matches!(error, ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_)) {
        return "it divides by zero".to_owned();
    }
    if matches!(error, ExecutionError::Overflow(..)) {
        return "it leaves the range of whole numbers".to_owned();
    }
    if matches!(error, ExecutionError::IndexOutOfBounds(_)) {
        return "its index is beyond the end of the list".to_owned();
    }
    "it has no result for values of these types".to_owned()
}
