//! Expressions, templates, schemas and retries at run time: what they make of payloads, the odd
//! ones too.

use std::time::Duration;

use proptest::prelude::*;
use saga_protocol::{Json, StepName};
use serde_json::value::RawValue;

use super::{
    super::{ActionScope, Kind, Retry, Scope},
    Definition, ORDER, sound,
};

fn json(text: &str) -> Json {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// A definition whose second step has the given fields and can read the first one's output.
fn reading(fields: &str) -> Definition {
    sound(&format!(
        "saga: x
steps:
  - {{ name: a, participant: p, action: act, compensation: none, output: {{}} }}
  - {{ name: b, participant: p, action: act, compensation: undo, {fields} }}
"
    ))
}

/// What a template makes of an input and the output of the step before it.
fn rendered(template: &str, input: &str, output: Option<&str>) -> Result<String, String> {
    let quoted = serde_json::Value::from(template).to_string();
    let definition = reading(&format!("input: {quoted}"));
    let (input, output, step) = (json(input), output.map(json), StepName::new("a").unwrap());
    let scope = Scope {
        input: &input,
        saga_id: None,
        saga_key: Some("k-1"),
        outputs: vec![(&step, output.as_ref())],
        action: None,
    };
    let rendered = definition.steps[1].input.render(&scope);
    rendered.map(|json| json.get().to_owned()).map_err(|error| error.to_string())
}

#[test]
fn templates_keep_types_and_interpolate_text() {
    let input = r#"{"n":3,"t":"a\"b","f":1.50,"big":123456789012345678901234567890,"e":1e400,
                   "u":"\u0000","o":{"z":1,"a":[ ]},"nil":null,"yes":true,"l":[3,1,2]}"#;
    for (template, expected) in [
        // Alone it keeps its type, and a path keeps its bytes.
        ("${input.n}", "3"),
        ("${ input.t }", r#""a\"b""#),
        ("${input.f}", "1.50"),
        ("${input.big}", "123456789012345678901234567890"),
        ("${input.e}", "1e400"),
        ("${input.u}", r#""\u0000""#),
        ("${input.o}", r#"{"z":1,"a":[ ]}"#),
        ("${input.nil}", "null"),
        ("${saga.key}", r#""k-1""#),
        ("${saga.id}", "null"),
        ("${steps.a.output.id}", "7"),
        // Inside text it is interpolated.
        ("n=${input.n}, t=${input.t}, yes=${input.yes}", r#""n=3, t=a\"b, yes=true""#),
        ("${input.n}${input.n}", r#""33""#),
        ("big=${input.big} f=${input.f}", r#""big=123456789012345678901234567890 f=1.50""#),
        // An escape, and braces and quotes that belong to the expression.
        ("$${input.n} costs $5", r#""${input.n} costs $5""#),
        ("$$${input.n}", r#""$${input.n}""#),
        ("${ {'a': {'}': 1}}['a'] }", r#"{"}":1}"#),
        (r#"${ "}" + '\'}' + r'\' + """a"}""" }"#, r#""}'}\\a\"}""#),
        ("plain", r#""plain""#),
    ] {
        let made = rendered(template, input, Some(r#"{"id":7}"#));
        assert_eq!(made.as_deref(), Ok(expected), "of {template}");
    }
}

#[test]
fn expressions_compute_with_whole_numbers() {
    let input = r#"{"n":3,"items":[{"q":2,"p":10},{"q":1,"p":5}],"max":9223372036854775807,"t":"x",
            "five":5.0}"#;
    for (template, expected) in [
        ("${input.n * 2 + 1}", "7"),
        ("${input.max}", "9223372036854775807"),
        ("${input.max - 1}", "9223372036854775806"),
        ("${input.items.map(i, i.q * i.p)}", "[20,5]"),
        ("${input.items.filter(i, i.q > 1).map(i, {'p': i.p, 'a': i.q})}", r#"[{"a":2,"p":10}]"#),
        ("${has(input.missing) ? input.missing : 'none'}", r#""none""#),
        ("${steps.a.output == null ? 0 : steps.a.output.id}", "0"),
        ("${size(input.items) == 2 && input.t.startsWith('x')}", "true"),
        ("${1.0 / 4.0}", "0.25"),
        // `type: integer` admits `5.0`, and then it is a whole number here too.
        ("${input.five + 1}", "6"),
        ("${[input.five, double(input.five)]}", "[5,5.0]"),
    ] {
        assert_eq!(rendered(template, input, None).as_deref(), Ok(expected), "of {template}");
    }
}

#[test]
fn what_cannot_be_said_is_an_error() {
    let many = format!(r#"{{"l":[{}0]}}"#, "0,".repeat(1_000));
    let text = format!(r#"{{"l":[{}0],"t":"{}"}}"#, "0,".repeat(900), "x".repeat(9_000));
    for (template, input, expected) in [
        ("${input.b}", r#"{"a":1}"#, "`input.b`: there is no field `b`"),
        ("${input.a.b}", r#"{"a":1}"#, "`input.a.b`: what should have field `b` is no map"),
        (
            "${input.a.b}",
            r#"{"a":null}"#,
            "`input.a.b`: there is no field `b`: what should have it is null",
        ),
        (
            "${ {1: 'a', '1': 'b'} }",
            "{}",
            "`{1: 'a', '1': 'b'}`: two keys of its map are the same as text",
        ),
        ("${input.b + 1}", r#"{"a":1}"#, "`input.b + 1`: there is no field `b`"),
        ("${input.a / 0}", r#"{"a":1}"#, "`input.a / 0`: it divides by zero"),
        (
            "${input.a + 1}",
            r#"{"a":9223372036854775807}"#,
            "`input.a + 1`: it leaves the range of whole numbers",
        ),
        (
            "${input.a + 1}",
            r#"{"a":1,"b":1e400}"#,
            "`input.a + 1`: a value that it reads is out of range: number out of range at line 1 \
             column 16",
        ),
        (
            "${input.a + 1}",
            r#"{"a":"secret"}"#,
            "`input.a + 1`: it has no result for values of these types",
        ),
        ("a ${input.a}", r#"{"a":null}"#, "`input.a`: its value is null, and stands inside text"),
        ("a ${input.a}", r#"{"a":[]}"#, "`input.a`: its value is a list, and stands inside text"),
        ("${b'x'}", "{}", "`b'x'`: its value is a bytes, which JSON has not"),
        ("${1.0 / 0.0}", "{}", "`1.0 / 0.0`: its value is not a finite number"),
        (
            "${input.l.map(x, x)}",
            &many,
            "`input.l.map(x, x)`: a list of 1001 items is gone over, more than 1000",
        ),
        (
            "${input.map(x, x)}",
            r#"{"a":1,"b":2}"#,
            "`input.map(x, x)`: only a list can be gone over, and this is a map",
        ),
        (
            "${input.l.map(x, input.t)}",
            &text,
            "`input.l.map(x, input.t)`: its value has more than 2097152 bytes",
        ),
    ] {
        assert_eq!(rendered(template, input, None).unwrap_err(), expected);
    }
    let lone = rendered("a ${input.a}", r#"{"a":"\ud800"}"#, None).unwrap_err();
    assert!(lone.starts_with("`input.a`: its value is not proper text"), "{lone}");
}

#[test]
fn the_deepest_expressions_do_not_exhaust_the_stack() {
    for (source, expected) in [
        (format!("{}1 == 1001", "1+".repeat(1_000)), Some(true)),
        (format!("{}true", "!".repeat(2_000)), Some(true)),
        (format!("{}1 == 1", "-".repeat(2_000)), Some(true)),
        (format!("{}true", "false||".repeat(290)), Some(true)),
        (format!("{}true{}", "(".repeat(80), ")".repeat(80)), Some(true)),
        (format!("{}1{} == 1", "[".repeat(80), "][0]".repeat(80)), Some(true)),
        (format!("input{}", ".a".repeat(1_000)), None),
        (format!("{}true", "true ? true : ".repeat(40)), Some(true)),
    ] {
        let definition = reading(&format!("when: '{source}'"));
        let input = json("{}");
        let outputs = Vec::new();
        let scope = Scope { input: &input, saga_id: None, saga_key: None, outputs, action: None };
        let value = definition.steps[1].when.as_ref().unwrap().evaluate_bool(&scope);
        assert_eq!(value.ok(), expected, "of {source}");
    }
}

#[test]
fn compensations_see_their_action() {
    let definition = reading(
        "input: { n: 5 }, compensation_input:
      { of: '${action.input.n}', id: '${action.output}', a: '${steps.a.output}' }",
    );
    let Kind::Compensatable(Some(undo)) = &definition.steps[1].kind else {
        panic!("it is undone");
    };
    let (input, of) = (json("{}"), json(r#"{"n":5}"#));
    let scope = Scope {
        input: &input,
        saga_id: None,
        saga_key: None,
        outputs: vec![],
        action: Some(ActionScope { input: &of, output: None }),
    };
    let body = undo.input.as_ref().unwrap().render(&scope).unwrap();
    assert_eq!(body.get(), r#"{"a":null,"id":null,"of":5}"#);
}

#[test]
fn schemas_name_the_field_and_never_the_value() {
    let order = sound(ORDER);
    let good = r#"{"order_id":"o-1","customer_id":"c-1","items":[{"sku":"s","quantity":2}],
                   "total":4200,"currency":"EUR","address":{"country":"DE"}}"#;
    assert_eq!(order.check_input(&json(good)), Ok(()));
    assert_eq!(order.key(&json(good)), Ok(Some("o-1".to_owned())));
    assert_eq!(order.worth(&json(good)), Ok(Some((4200, "EUR".to_owned()))));
    let bad = r#"{"order_id":"","items":[{"sku":"secret"}],"total":1e999,"currency":"eur"}"#;
    let violations = order.check_input(&json(bad)).unwrap_err();
    assert_eq!(violations.len(), 1, "a number that is out of range cannot be read at all");
    let bad = bad.replace("1e999", "0.5");
    let violations = order.check_input(&json(&bad)).unwrap_err();
    let told: Vec<_> = violations.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    `/customer_id`: is missing
    `/address`: is missing
    `/currency`: value does not match "^[A-Z]{3}$"
    `/items/0/quantity`: is missing
    `/order_id`: value is shorter than 1 character
    `/total`: value is not of type "integer"
    `/total`: value is less than the minimum of 1
    "#);
    assert!(!told.join("").contains("secret"));
}

#[test]
fn keys_and_amounts_fit_where_they_are_kept() {
    let text =
        "saga: x\nexpose: { path: /x, key: input.k }\nvalue: { amount: input.a, currency: input.c }
steps: [{ name: a, participant: p, action: act, compensation: none }]";
    let definition = sound(text);
    let key = |k: &str| definition.key(&json(&format!(r#"{{"k":{k}}}"#))).ok().flatten();
    assert_eq!(key("12").as_deref(), Some("12"));
    assert_eq!(key("12.0").as_deref(), Some("12"), "the same number however it is written");
    assert_eq!(key(&format!(r#""{}""#, "k".repeat(255))).map(|key| key.len()), Some(255));
    for bad in [r#""""#, r#""a\u0000b""#, "1.5", "null", "[]", r#""\ud800""#] {
        assert_eq!(key(bad), None, "of {bad}");
    }
    assert_eq!(key(&format!(r#""{}""#, "k".repeat(256))), None);
    let worth = |a: &str, c: &str| {
        definition.worth(&json(&format!(r#"{{"a":{a},"c":{c}}}"#))).ok().flatten()
    };
    assert_eq!(worth("9007199254740991", r#""EUR""#), Some((9_007_199_254_740_991, "EUR".into())));
    assert_eq!(worth("4200.0", r#""EUR""#), Some((4_200, "EUR".into())));
    for (amount, currency) in [
        ("9007199254740992", r#""EUR""#),
        ("10.5", r#""EUR""#),
        (r#""10.50""#, r#""EUR""#),
        ("1", r#""""#),
        ("1", "978"),
    ] {
        assert_eq!(worth(amount, currency), None, "of {amount} {currency}");
    }
}

#[test]
fn waits_grow_to_their_ceiling_and_spread_below_it() {
    let retry = Retry::BRIEF;
    let ceilings: Vec<_> =
        (1..=8).map(|made| retry.delay(made, u32::MAX).as_micros().div_ceil(1_000)).collect();
    assert_eq!(ceilings, [200, 400, 800, 1_600, 3_200, 3_200, 3_200, 3_200]);
    assert_eq!(retry.delay(3, 0), Duration::ZERO);
    assert_eq!(retry.delay(3, 1 << 31), Duration::from_millis(400));
    let slow = Retry::PERSISTENT;
    assert_eq!(slow.delay(12, 1 << 31), Duration::from_secs(150), "half of the longest wait");
}

proptest! {
    #[test]
    fn waits_never_exceed_the_longest(
        made: u32,
        draw: u32,
        attempts in 1..1_000_u32,
        factor in 1.0..100.0,
    ) {
        let max = Duration::from_hours(24);
        let retry = Retry { attempts, initial: Duration::from_millis(1), factor, max };
        prop_assert!(retry.delay(made, draw) <= max);
    }

    /// Whatever a payload holds, it is passed through or refused.
    #[test]
    fn odd_payloads_are_passed_through_or_refused(input in odd_json()) {
        for template in ["${input}", "${input.a}", "${input.a.b}", "x ${input.a}", "${[input.a]}",
            "${input.a + input.a}", "${input.map(x, x)}", "${input.a == input.b}", "${size(input)}",
            "${input.a < input.b}", "${input.a in input}", "${input.a[0]}", "${string(input.a)}",
            "${int(input.a)}", "${-input.a}", "${input.a.matches(input.b)}"] {
            if let Ok(made) = rendered(template, &input, Some(&input)) {
                prop_assert!(serde_json::from_str::<&RawValue>(&made).is_ok());
            }
        }
        let order = sound(ORDER);
        let input = json(&input);
        let _ = (order.check_input(&input), order.key(&input), order.worth(&input));
    }
}

/// JSON with the values that readers stumble over.
fn odd_json() -> impl Strategy<Value = String> {
    const ODD: &[&str] = &[
        "null",
        "true",
        "0",
        "-0",
        "-0.0",
        "1e400",
        "-1e400",
        "1e-400",
        "1e100000",
        "0.1",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "18446744073709551616",
        r#""""#,
        r#""\u0000""#,
        r#""\ud800""#,
        r#""\ud83d\ude00""#,
        r#""(a*)*b""#,
        "\"\u{7f}\u{2028}é\"",
    ];
    let leaf = proptest::sample::select(ODD).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = proptest::sample::select(&["a", "b", "", "order_id", "total", r"\u0000"][..]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec((key, inner), 0..5).prop_map(|fields| {
                let fields: Vec<_> =
                    fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", fields.join(","))
            }),
        ]
    })
}
