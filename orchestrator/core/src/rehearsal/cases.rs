//! The cases of a definition: what a saga is given and what participants answer, so that each
//! condition is met both ways where that can be reached.

use saga_protocol::Json;
use serde_json::{
    Value, json,
    value::{RawValue, to_raw_value},
};

use super::{
    plausible,
    play::play,
    vary::{Choice, Hints},
};
use crate::{
    definition::{Definition, Schema},
    saga::Status,
};

/// Cases that are rehearsed: each takes as long as a definition without conditions, and more would
/// make a table that nobody reads. Those that show a condition in a new way come first.
const CASES_MAX: usize = 8;
/// Combinations of values that are tried for cases: a thousand sagas take well under a second.
const COMBINATIONS_MAX: usize = 1_000;

/// What a saga is given, and which steps run then.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its number, from 0.
    pub number: usize,
    /// The saga's input.
    pub input: Json,
    /// Of each step, by position, whether it runs where nothing goes wrong, rather than being
    /// skipped by its condition; `None` where the saga turns back before.
    pub ran: Vec<Option<bool>>,
    pub(super) key: Option<String>,
    /// What each step's action answers; nothing where it declares no output.
    pub(super) outputs: Vec<Option<Json>>,
    /// What each step's output schema refuses.
    pub(super) invalid: Vec<Option<Json>>,
}

/// A condition that no case has met both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OneWay {
    /// The position of its step.
    pub step: usize,
    /// What it always was; `None` where it was never evaluated.
    pub always: Option<bool>,
}

/// Why a definition cannot be rehearsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unready {
    /// No input that fits the definition's schema was found.
    #[error("no input for saga `{saga}` could be made up: {why}")]
    Input {
        /// The definition.
        saga: String,
        /// What is wrong with the best that was found.
        why: String,
    },
    /// The input that was given does not fit.
    #[error("the input does not fit saga `{saga}`: {why}")]
    Given {
        /// The definition.
        saga: String,
        /// What is wrong.
        why: String,
    },
    /// No output that fits a step's schema was found.
    #[error("no output of step `{step}` of saga `{saga}` could be made up: {why}")]
    Output {
        /// The definition.
        saga: String,
        /// The step.
        step: String,
        /// What is wrong with the best that was found.
        why: String,
    },
    /// With what was made up no saga completes, though nothing goes wrong.
    #[error("saga `{saga}` does not complete with the input that was made up for it: {why}")]
    Incomplete {
        /// The definition.
        saga: String,
        /// Why not.
        why: String,
    },
}

/// What the values of a case are made of: the input, then the output of each step.
struct Base<'a> {
    definition: &'a Definition,
    values: Vec<Option<Value>>,
    schemas: Vec<Option<&'a Schema>>,
    given: Option<&'a Json>,
}

/// The cases, each skipping other steps, and the conditions that they meet only one way.
pub(super) fn cases(
    definition: &Definition,
    given: Option<&Json>,
) -> Result<(Vec<Case>, Vec<OneWay>), Unready> {
    let base = Base::of(definition, given)?;
    let mut found: Vec<(Case, bool)> = Vec::new();
    let mut why = None;
    for values in base.combinations() {
        let case = match base.case(&values) {
            Ok(case) => case,
            Err(wrong) => {
                why.get_or_insert(wrong);
                continue;
            }
        };
        let Some(run) = play(definition, &case, &[]) else {
            continue;
        };
        let (is_complete, ran) = (run.ends == Status::Completed, run.ran);
        let is_known =
            |(known, completes): &(Case, bool)| known.ran == ran && *completes == is_complete;
        let is_new = !found.iter().any(is_known);
        if !is_complete {
            let cause = run.because.map(|cause| format!("{}: {}", cause.code, cause.message));
            why = why.or(cause);
        }
        if is_new {
            found.push((Case { ran, ..case }, is_complete));
        }
    }
    let saga = definition.name.to_string();
    let why = why.unwrap_or_default();
    if found.is_empty() && given.is_some() {
        return Err(Unready::Given { saga, why });
    }
    if found.is_empty() {
        return Err(Unready::Input { saga, why });
    }
    if given.is_none() && !found.iter().any(|(_, is_complete)| *is_complete) {
        return Err(Unready::Incomplete { saga, why });
    }
    let found: Vec<_> = found.into_iter().map(|(case, _)| case).collect();
    let one_way = one_way(definition, &found);
    Ok((chosen(definition, found), one_way))
}

/// Those that show a condition in a new way, then others, up to the limit.
fn chosen(definition: &Definition, found: Vec<Case>) -> Vec<Case> {
    let mut seen = vec![(false, false); definition.steps.len()];
    let (mut first, mut later) = (Vec::new(), Vec::new());
    for case in found {
        let mut is_new = first.is_empty();
        for (seen, ran) in seen.iter_mut().zip(&case.ran) {
            if let Some(ran) = ran {
                let way = if *ran { &mut seen.0 } else { &mut seen.1 };
                is_new |= !std::mem::replace(way, true);
            }
        }
        if is_new { first.push(case) } else { later.push(case) }
    }
    first.extend(later);
    first.truncate(CASES_MAX);
    first.iter_mut().enumerate().for_each(|(number, case)| case.number = number);
    first
}

fn one_way(definition: &Definition, cases: &[Case]) -> Vec<OneWay> {
    let steps = definition.steps.iter().enumerate().filter(|(_, step)| step.when.is_some());
    let ways = steps.filter_map(|(step, _)| {
        let was = |way| cases.iter().any(|case| case.ran[step] == Some(way));
        match (was(true), was(false)) {
            (true, true) => None,
            (false, false) => Some(OneWay { step, always: None }),
            (always, _) => Some(OneWay { step, always: Some(always) }),
        }
    });
    ways.collect()
}

impl<'a> Base<'a> {
    fn of(definition: &'a Definition, given: Option<&'a Json>) -> Result<Self, Unready> {
        let saga = || definition.name.to_string();
        let input = match (given, &definition.input) {
            (Some(given), _) => serde_json::from_str(given.get())
                .map_err(|error| Unready::Given { saga: saga(), why: error.to_string() })?,
            (None, Some(schema)) => plausible::value(schema.source())
                .map_err(|unmade| Unready::Input { saga: saga(), why: unmade.to_string() })?,
            (None, None) => json!({}),
        };
        let mut base = Self {
            definition,
            values: vec![Some(input)],
            schemas: vec![definition.input.as_ref()],
            given,
        };
        for step in &definition.steps {
            let schema = step.output.as_ref();
            let value = schema.map(|schema| {
                let made = plausible::value(schema.source()).map_err(|unmade| unmade.to_string());
                made.and_then(|value| misfit(schema, &value).map_or(Ok(value), Err))
            });
            let value = value.transpose().map_err(|why| {
                let step = step.name.to_string();
                Unready::Output { saga: saga(), step, why }
            })?;
            base.values.push(value);
            base.schemas.push(schema);
        }
        Ok(base)
    }

    /// The plausible values, then others that may decide a condition otherwise: all combinations
    /// where there are few, else each by itself and each pair. Made one by one: together they may
    /// be large.
    fn combinations(&self) -> impl Iterator<Item = Vec<Option<Value>>> {
        let hints = Hints::of(self.definition);
        let mut choices: Vec<(usize, Choice)> = Vec::new();
        for (at, (schema, value)) in self.schemas.iter().zip(&self.values).enumerate() {
            let (Some(schema), Some(value)) = (schema, value) else { continue };
            if at > 0 || self.given.is_none() {
                let more = hints.choices(schema.source(), value);
                choices.extend(more.into_iter().map(|choice| (at, choice)));
            }
        }
        let options = choices.iter().map(|(_, choice)| choice.instead.len() + 1);
        let all = options.clone().try_fold(1_usize, usize::checked_mul);
        let picks = match all.filter(|all| *all <= COMBINATIONS_MAX) {
            Some(all) => every(&options.collect::<Vec<_>>(), all),
            None => singles_and_pairs(&options.collect::<Vec<_>>()),
        };
        picks.into_iter().map(move |picks| {
            let mut values = self.values.clone();
            for (choice, which) in picks {
                let (at, choice) = &choices[choice];
                if let Some(value) = &mut values[*at] {
                    choice.make(value, which);
                }
            }
            values
        })
    }

    /// A case of these values, unless the definition holds something against them.
    fn case(&self, values: &[Option<Value>]) -> Result<Case, String> {
        let definition = self.definition;
        for (schema, value) in self.schemas.iter().zip(values) {
            if let (Some(schema), Some(value)) = (schema, value) {
                misfit(schema, value).map_or(Ok(()), Err)?;
            }
        }
        let mut values = values.iter().map(|value| value.as_ref().and_then(written));
        let made = values.next().flatten().ok_or("it cannot be written as JSON")?;
        let input = self.given.cloned().unwrap_or(made);
        let key = definition.key(&input).map_err(|error| error.to_string())?;
        definition.worth(&input).map_err(|error| error.to_string())?;
        let invalid = |schema: &Option<&Schema>| schema.and_then(refused);
        Ok(Case {
            number: 0,
            input,
            ran: Vec::new(),
            key,
            outputs: values.collect(),
            invalid: self.schemas[1..].iter().map(invalid).collect(),
        })
    }
}

/// Which alternative is taken of which choices.
type Picks = Vec<(usize, usize)>;

/// All combinations; the first is that of no choice.
fn every(options: &[usize], all: usize) -> Vec<Picks> {
    let combination = |mut number: usize| {
        let mut picks = Picks::new();
        for (choice, options) in options.iter().enumerate() {
            let which = number % options;
            number /= options;
            picks.extend(which.checked_sub(1).map(|which| (choice, which)));
        }
        picks
    };
    (0..all).map(combination).collect()
}

fn singles_and_pairs(options: &[usize]) -> Vec<Picks> {
    let alternatives = |(choice, options): (usize, &usize)| {
        (0..options - 1).map(move |which| (choice, which)).collect::<Vec<_>>()
    };
    let singles: Vec<_> = options.iter().enumerate().flat_map(alternatives).collect();
    let pairs = singles.iter().flat_map(|a| {
        let others = singles.iter().filter(|b| b.0 > a.0);
        others.map(|b| vec![*a, *b])
    });
    let none = std::iter::once(Picks::new());
    let some = singles.iter().map(|pick| vec![*pick]).chain(pairs);
    none.chain(some).take(COMBINATIONS_MAX).collect()
}

/// What a schema holds against a value.
fn misfit(schema: &Schema, value: &Value) -> Option<String> {
    let violations = schema.validate(&written(value)?).err()?;
    Some(violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// Something that a schema refuses.
fn refused(schema: &Schema) -> Option<Json> {
    let tries = [Value::Null, json!({}), json!([]), json!(""), json!(-1), json!(true)];
    let mut tries = tries.into_iter().filter_map(|value| written(&value));
    tries.find(|value| schema.validate(value).is_err())
}

fn written(value: &Value) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}
