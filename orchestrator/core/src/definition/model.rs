//! A definition as a checked value: whoever holds one need not ask whether it makes sense.

use std::{collections::BTreeSet, time::Duration};

use saga_protocol::{DefinitionName, Json, ParticipantName, StepKind, StepName, limits};

use super::{
    Diagnostic, Expression, ExpressionError, Retry, Schema, Scope, Template, Violation, payload,
};

/// The largest amount that is taken: what every JSON reader keeps exactly, 2^53 - 1.
const AMOUNT_MAX: i64 = (1 << 53) - 1;
/// The longest name of a currency, in bytes; ISO 4217's have three letters.
const CURRENCY_BYTES_MAX: usize = 16;

/// A checked definition.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub name: DefinitionName,
    /// Its version: the first 12 hex digits of SHA-256 over its canonical form.
    pub hash: String,
    /// Itself as JSON, keys in order, defaults filled in: a later program, whose defaults are
    /// others, reads the same.
    pub canonical: Json,
    /// What it is for.
    pub description: Option<String>,
    /// Where it can be started besides `/v1`.
    pub expose: Option<Expose>,
    /// What is at risk while it runs.
    pub value: Option<AtRisk>,
    /// How long a saga may take before it turns back.
    pub deadline: Option<Duration>,
    /// What its input must be.
    pub input: Option<Schema>,
    /// In the order of the file. What a step needs may stand above or below it.
    pub steps: Vec<Step>,
    /// What a completed saga answers.
    pub output: Option<Template>,
    /// What its author should know, though nothing stands against running it. None where it was
    /// read from the store: who could mend it has been told.
    pub warnings: Vec<Diagnostic>,
}

/// A path of its own.
#[derive(Debug)]
pub struct Expose {
    /// The path.
    pub path: String,
    /// The business key, from the input.
    pub key: Expression,
}

/// What is at risk.
#[derive(Debug)]
pub struct AtRisk {
    /// In minor units.
    pub amount: Expression,
    /// The currency.
    pub currency: Expression,
}

/// A step.
#[derive(Debug)]
pub struct Step {
    /// Its name.
    pub name: StepName,
    /// Who performs it.
    pub participant: ParticipantName,
    /// What its action is called.
    pub action: String,
    /// What it is to its saga.
    pub kind: Kind,
    /// The steps that must be completed or skipped before it, by position.
    pub needs: Vec<usize>,
    /// The steps that need it, by position.
    pub dependents: Vec<usize>,
    /// Whether it runs at all; evaluated once, when it is ready.
    pub when: Option<Expression>,
    /// What the question is called that asks what became of its action.
    pub query: Option<String>,
    /// What its action is given.
    pub input: Template,
    /// What its action must answer.
    pub output: Option<Schema>,
    /// How long an attempt of its action may take.
    pub timeout: Duration,
    /// How often its action is tried.
    pub retry: Retry,
}

/// What a step is to its saga, and what undoes it.
#[derive(Debug)]
pub enum Kind {
    /// Before the pivot. `None` says aloud that there is nothing to undo.
    Compensatable(Option<Box<Compensation>>),
    /// The point of no return.
    Pivot,
    /// After the pivot.
    Retriable,
}

/// What undoes a step.
#[derive(Debug)]
pub struct Compensation {
    /// What it is called.
    pub action: String,
    /// What it is given in place of the action's input.
    pub input: Option<Template>,
    /// How long an attempt may take.
    pub timeout: Duration,
    /// How often it is tried.
    pub retry: Retry,
}

impl Kind {
    /// The word for it.
    #[must_use]
    pub const fn word(&self) -> StepKind {
        match self {
            Self::Compensatable(_) => StepKind::Compensatable,
            Self::Pivot => StepKind::Pivot,
            Self::Retriable => StepKind::Retriable,
        }
    }
}

impl Definition {
    /// The position of a step.
    #[must_use]
    pub fn step(&self, name: &StepName) -> Option<usize> {
        self.steps.iter().position(|step| step.name == *name)
    }

    /// Everybody that it asks, by name, each once.
    #[must_use]
    pub fn participants(&self) -> BTreeSet<ParticipantName> {
        self.steps.iter().map(|step| step.participant.clone()).collect()
    }

    /// Whether this can be the input of a saga.
    ///
    /// # Errors
    /// What the definition holds against it.
    pub fn check_input(&self, input: &Json) -> Result<(), Vec<Violation>> {
        self.input.as_ref().map_or(Ok(()), |schema| schema.validate(input))
    }

    /// The business key in an input; `None` where the definition has none.
    ///
    /// # Errors
    /// [`ExpressionError`] where the input does not yield text or a whole number of 1 to 255 bytes.
    pub fn key(&self, input: &Json) -> Result<Option<String>, ExpressionError> {
        let Some(Expose { key, .. }) = &self.expose else {
            return Ok(None);
        };
        let json = key.evaluate(&before(input))?;
        let text = match serde_json::from_str(json.get()) {
            Ok(serde_json::Value::String(text)) => Some(text),
            Ok(serde_json::Value::Number(number)) if !number.is_f64() => Some(number.to_string()),
            Ok(serde_json::Value::Number(number)) => {
                number.as_f64().and_then(payload::whole).map(|number| number.to_string())
            }
            _ => None,
        };
        let text = text.ok_or_else(|| key.error("a key is text or a whole number"))?;
        check_word(&text, limits::KEY_BYTES_MAX).map_err(|message| key.error(message))?;
        Ok(Some(text))
    }

    /// What is at risk with this input, in minor units, and the currency; `None` where the
    /// definition does not say.
    ///
    /// # Errors
    /// [`ExpressionError`] where the input does not yield a whole number and a currency.
    pub fn worth(&self, input: &Json) -> Result<Option<(i64, String)>, ExpressionError> {
        let Some(AtRisk { amount, currency }) = &self.value else {
            return Ok(None);
        };
        let scope = before(input);
        let json = amount.evaluate(&scope)?;
        let number: Option<serde_json::Number> = serde_json::from_str(json.get()).ok();
        let minor_units =
            number.and_then(|number| number.as_i64().or_else(|| payload::whole(number.as_f64()?)));
        let minor_units = minor_units.filter(|amount| (-AMOUNT_MAX..=AMOUNT_MAX).contains(amount));
        let minor_units = minor_units.ok_or_else(|| {
            amount.error("an amount is a whole number of minor units, at most 2^53 - 1")
        })?;
        let json = currency.evaluate(&scope)?;
        let name: String =
            serde_json::from_str(json.get()).map_err(|_| currency.error("a currency is text"))?;
        check_word(&name, CURRENCY_BYTES_MAX).map_err(|message| currency.error(message))?;
        Ok(Some((minor_units, name)))
    }
}

/// What can be read before there is a saga.
fn before(input: &Json) -> Scope<'_> {
    Scope { input, saga_id: None, saga_key: None, outputs: Vec::new(), action: None }
}

/// Whether text can be stored in a column and stand in a URL.
fn check_word(text: &str, bytes_max: usize) -> Result<(), String> {
    if text.is_empty() || text.len() > bytes_max {
        return Err(format!("it has {} bytes, and takes 1 to {bytes_max}", text.len()));
    }
    if text.chars().any(char::is_control) {
        return Err("it has a control character".to_owned());
    }
    Ok(())
}
