//! What a rehearsal finds: that every definition comes to an end or says who must help, that what
//! is made up fits what is asked for, and that conditions are met both ways where they can be.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../properties/definitions.rs"]
mod definitions;

use proptest::prelude::*;
use saga_core::{
    Definition,
    rehearsal::{Mishap, OneWay, Rehearsal, Run, Unready, What},
    saga::Status,
};
use saga_protocol::{Json, Phase};
use serde_json::value::RawValue;

/// Each case is every single mishap of a definition, and some pairs.
const CASES: u32 = 48;
/// Pairs of one definition.
const PAIRS_MAX: usize = 50;

fn config() -> ProptestConfig {
    ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever goes wrong, whatever the definition: it is completed, compensated, or stuck with a
    /// reason, and no promise is broken on the way.
    #[test]
    fn every_definition_comes_through_whatever_goes_wrong(plan in definitions::whatever()) {
        let definition = plan.definition();
        let input = json(r#"{"yes":true,"no":false,"n":1}"#);
        let rehearsal = Rehearsal::of(&definition, Some(&input)).unwrap();
        let pairs = rehearsal.pairs().flatten().take(PAIRS_MAX);
        for run in rehearsal.singles().chain(pairs) {
            prop_assert!(run.is_sound(), "{run:#?}");
            let is_stuck = run.ends == Status::Stuck;
            prop_assert_eq!(is_stuck, !run.stuck.is_empty());
            prop_assert!(!is_stuck || run.because.is_some());
        }
    }

    /// Where nothing goes wrong and no expression fails, it completes.
    #[test]
    fn a_sound_definition_completes_where_nothing_goes_wrong(plan in definitions::sound()) {
        let definition = plan.definition();
        let input = json(r#"{"yes":true,"no":false,"n":1}"#);
        let rehearsal = Rehearsal::of(&definition, Some(&input)).unwrap();
        let first = rehearsal.singles().next().unwrap();
        prop_assert_eq!((first.mishaps.len(), first.ends), (0, Status::Completed));
    }
}

#[test]
fn every_mishap_of_every_step_is_met() {
    let definition = define(
        "
        - { name: a, participant: p, action: do, compensation: undo, output: { type: object } }
        - { name: b, participant: p, action: do, compensation: undo }
        - { name: c, participant: p, action: do, kind: pivot, query: find }
        - { name: d, participant: p, action: do, kind: retriable, needs: [c] }
        ",
    );
    let rehearsal = Rehearsal::of(&definition, None).unwrap();
    let runs: Vec<_> = rehearsal.singles().collect();
    for run in runs.iter().cloned().chain(rehearsal.pairs().flatten()) {
        assert!(run.is_sound(), "{run:#?}");
    }
    let met = |step, phase| {
        let mishaps = runs.iter().flat_map(|run| &run.mishaps);
        mishaps.filter(|mishap| (mishap.step, mishap.phase) == (step, phase)).count()
    };
    let [action, undo, query] = [Phase::Action, Phase::Compensation, Phase::Query];
    assert_eq!([met(0, action), met(0, undo)], [13, 10]);
    assert_eq!([met(1, action), met(1, undo)], [12, 10]);
    assert_eq!([met(2, action), met(2, query)], [12, 1]);
    assert_eq!(met(3, action), 12);
    let ended = |step, phase, what| {
        let is_it = |run: &&Run| run.mishaps == [Mishap { step, phase, what }];
        runs.iter().find(is_it).unwrap().ends
    };
    assert_eq!(ended(0, action, What::OutputInvalid), Status::Compensated);
    assert_eq!(ended(1, undo, What::Refused), Status::Stuck);
    assert_eq!(ended(1, undo, What::Late), Status::Compensated);
    assert_eq!(ended(2, action, What::Unknown), Status::Completed);
    assert_eq!(ended(2, query, What::TimedOut), Status::Stuck);
    assert_eq!(ended(2, action, What::Cancel), Status::Completed);
    assert_eq!(ended(3, action, What::Failed), Status::Stuck);
    assert_eq!(ended(3, action, What::Late), Status::Completed);
}

#[test]
fn an_input_is_made_up_for_every_kind_of_schema() {
    let schema = r#"{
        type: object, required: [id, at, code, list, size, half, kind, any, deep],
        properties: {
            id: { type: string, format: uuid }, at: { type: string, format: date-time },
            code: { type: string, pattern: "^(DE|AT)-[0-9]{2,4}[a-z]?$" },
            list: { type: array, minItems: 2, uniqueItems: true, items: { type: string } },
            size: { type: integer, exclusiveMinimum: 5, maximum: 12, multipleOf: 4 },
            half: { type: number, maximum: 0.5 }, kind: { enum: [big, small] },
            note: { type: [string, 'null'], minLength: 12, maxLength: 20 },
            told: { type: string, examples: [as it is told] },
            deep: { anyOf: [{ $ref: '#/$defs/nothing' }, { $ref: '#/$defs/deep' }] }
        },
        $defs: { nothing: false, deep: { type: object, required: [x], properties:
            { x: { type: boolean } } } }
    }"#;
    let text = format!(
        "saga: test\ninput: {schema}\nsteps:\n  \
         - {{ name: a, participant: p, action: do, compensation: undo }}\n"
    );
    let definition = parse(&text);
    let rehearsal = Rehearsal::of(&definition, None).unwrap();
    let made = rehearsal.cases()[0].input.get();
    let made: serde_json::Value = serde_json::from_str(made).unwrap();
    insta::assert_snapshot!(format!("{made:#}"), @r#"
    {
      "any": "any",
      "at": "2030-01-01T12:00:00Z",
      "code": "DE-00a",
      "deep": {
        "x": true
      },
      "half": 0.5,
      "id": "0199c0de-0000-7000-8000-000000000001",
      "kind": "big",
      "list": [
        "list",
        "list-2"
      ],
      "note": "notexxxxxxxx",
      "size": 12,
      "told": "as it is told"
    }
    "#);
}

#[test]
fn conditions_are_met_both_ways_where_values_can_do_that() {
    let text = "
saga: test
input:
  type: object
  required: [total, items]
  properties:
    total: { type: integer, minimum: 1 }
    items: { type: array, items: { type: object, properties: { sku: { type: string } } } }
    note: { type: string }
steps:
  - { name: big, participant: p, action: do, compensation: undo, when: input.total > 10000 }
  - { name: rare, participant: p, action: do, compensation: undo,
      when: 'input.items.exists(item, has(item.sku) && item.sku == \"rare\")' }
  - { name: noted, participant: p, action: do, compensation: undo, when: has(input.note) }
  - { name: never, participant: p, action: do, compensation: undo, when: input.total < 0 }
";
    let definition = parse(text);
    let rehearsal = Rehearsal::of(&definition, None).unwrap();
    assert_eq!(rehearsal.one_way(), [OneWay { step: 3, always: Some(false) }]);
    let cases = rehearsal.cases();
    assert_eq!(cases.len(), 8, "{cases:?}");
}

#[test]
fn what_cannot_be_made_up_is_said_and_can_be_given() {
    let step = "{ name: a, participant: p, action: do, compensation: undo, \
                input: '${input.known}' }";
    let definition = define(&format!("- {step}"));
    let unready = Rehearsal::of(&definition, None).unwrap_err();
    assert_eq!(
        unready.to_string(),
        "saga `test` does not complete with the input that was made up for it: \
         expression_failed: `input.known`: there is no field `known`"
    );
    let given = json(r#"{"known":1}"#);
    let rehearsal = Rehearsal::of(&definition, Some(&given)).unwrap();
    assert!(rehearsal.singles().all(|run| run.is_sound()));

    let known = "{ type: string, pattern: '^(a|b)$', minLength: 3 }";
    let schema = format!("input: {{ required: [known], properties: {{ known: {known} }} }}");
    let definition = parse(&format!("saga: test\n{schema}\nsteps:\n  - {step}\n"));
    let unready = Rehearsal::of(&definition, None).unwrap_err();
    assert!(matches!(unready, Unready::Input { .. }), "{unready}");
    let unready = Rehearsal::of(&definition, Some(&given)).unwrap_err();
    assert!(matches!(unready, Unready::Given { .. }), "{unready}");
}

/// A few lines of a schema can ask for more than any machine has.
#[test]
fn what_is_made_up_has_a_limit() {
    let with = |input: &str| {
        let step = "{ name: a, participant: p, action: do, compensation: undo }";
        let text = format!("saga: test\ninput: {input}\nsteps:\n  - {step}\n");
        let made = Rehearsal::of(&parse(&text), None).map(|it| it.cases()[0].input.to_string());
        made.map_err(|unready| unready.to_string())
    };
    let all = "[{ $ref: '#' }, { $ref: '#' }]";
    let list = "{ type: array, minItems: 1000, items: ";
    let too_much = [
        format!("{{ allOf: {all}, anyOf: {all} }}"),
        format!("{list}{list}{list} {{ type: integer }} }} }} }}"),
        format!("{{ type: object, required: [l], properties: {{ l: {list}{list} {{}} }} }} }} }}"),
        format!("{list} {{ type: string, pattern: '^[0-9]{{70}}$' }} }}"),
    ];
    for input in too_much {
        assert_eq!(
            with(&input).unwrap_err(),
            "no input for saga `test` could be made up: its schema asks for more than 16384 \
             bytes, or leaves too much to try",
            "{input}"
        );
    }
    // What need not be there is left out where all of it would be too much.
    let tree = "{ type: object, required: [n], properties: { n: { type: integer },
        l: { $ref: '#' }, m: { $ref: '#' }, r: { $ref: '#' } } }";
    assert_eq!(with(tree).unwrap(), r#"{"n":1}"#);
}

fn define(steps: &str) -> Definition {
    parse(&format!("saga: test\ndeadline: 1h\nsteps:\n{steps}"))
}

fn parse(text: &str) -> Definition {
    Definition::parse("test.yaml", text).unwrap_or_else(|found| {
        let told: Vec<_> = found.iter().map(ToString::to_string).collect();
        panic!("{text}\n{}", told.join("\n"))
    })
}

fn json(text: &str) -> Json {
    RawValue::from_string(text.to_owned()).unwrap()
}
