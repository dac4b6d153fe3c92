//! What `check` passes does not fail for want of what it reads: definitions whose one step reads
//! its input in ways that are made up, each by its number; those of which nothing is told are
//! evaluated with inputs that their schemas admit.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod expressions;
#[path = "../shared/hostile/random.rs"]
mod random;
mod schemas;

use expressions::Reader;
use random::Random;
use saga_core::{
    Definition,
    definition::{ActionScope, ExpressionError, Kind, Scope},
};
use saga_protocol::Json;
use serde_json::{Value, json, value::RawValue};

/// Enough to have met every hole that was found so far; more take longer than other tests do.
const DEFINITIONS: u64 = 8_000;
/// Inputs that each definition is evaluated with.
const INPUTS: usize = 8;

#[test]
fn what_is_passed_finds_what_it_reads() {
    let (mut passed, mut evaluated) = (0, 0);
    for number in 0..DEFINITIONS {
        let mut random = Random::new(number);
        let made = Made::new(&mut random);
        let Ok(definition) = Definition::parse("made.yaml", &made.text) else { continue };
        if !definition.warnings.is_empty() {
            continue;
        }
        passed += 1;
        for _ in 0..INPUTS {
            let input = schemas::value(&made.schema, &made.schema, 0, &mut random);
            let input = RawValue::from_string(input.to_string()).unwrap();
            if definition.check_input(&input).is_err() {
                continue;
            }
            evaluated += 1;
            if let Err(error) = evaluate(&definition, &input) {
                panic!("definition {number}: {error}\n{}\nwith {input}", made.text);
            }
        }
    }
    assert!(passed > DEFINITIONS / 20, "only {passed} are passed");
    assert!(evaluated > passed * 2, "only {evaluated} inputs for {passed}");
}

/// A definition.
struct Made {
    schema: Value,
    text: String,
}

impl Made {
    fn new(random: &mut Random) -> Self {
        // Operands of no known type are not looked at, so there is nothing but reading of those.
        let is_typed = !random.one_in(4);
        let schema = schemas::root(is_typed, random);
        let mut reader = Reader::new(&schema, is_typed, random);
        let mut step = json!({
            "name": "a",
            "participant": "p",
            "action": "act",
            "compensation": "undo",
        });
        let kind = reader.random.below(4);
        if kind == 0 {
            step["when"] = json!(reader.condition());
        }
        let alone = format!("${{{}}}", reader.expression());
        let within = format!("{} and {alone}", reader.random.below(9));
        step["input"] = json!({ "v": if is_typed && kind == 1 { &within } else { &alone } });
        if kind != 1 {
            let undone = reader.below("action.input.v");
            step["compensation_input"] = json!({ "w": format!("${{{undone}}}") });
        }
        let text = json!({ "saga": "made", "input": schema, "steps": [step] }).to_string();
        Self { schema, text }
    }
}

/// Whatever of a step can be evaluated.
fn evaluate(definition: &Definition, input: &Json) -> Result<(), ExpressionError> {
    let mut scope =
        Scope { input, saga_id: None, saga_key: None, outputs: Vec::new(), action: None };
    let step = &definition.steps[0];
    if let Some(when) = &step.when
        && !when.evaluate_bool(&scope)?
    {
        return Ok(());
    }
    let given = step.input.render(&scope)?;
    scope.action = Some(ActionScope { input: &given, output: None });
    if let Kind::Compensatable(Some(undo)) = &step.kind
        && let Some(template) = &undo.input
    {
        template.render(&scope)?;
    }
    Ok(())
}
