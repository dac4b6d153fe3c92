//! What is refused, where that is pointed at, and the way out that is shown.

use super::Definition;

/// A definition whose steps are the given lines; the first of them is line 3.
fn with_steps(steps: &[&str]) -> String {
    format!("saga: x\nsteps:\n  - {}\n", steps.join("\n  - "))
}

/// A definition that has these lines at its top; the first of them is line 2.
fn with_top(top: &str) -> String {
    let step = "{ name: a, participant: p, action: act, compensation: none }";
    format!("saga: x\n{top}\nsteps: [{step}]\n")
}

/// What is told of a definition, one line for each: where, what, and the way out.
fn told(text: &str) -> Vec<String> {
    let diagnostics = Definition::parse("x.yaml", text).expect_err("it is not sound");
    let line = |diagnostic: &crate::Diagnostic| {
        let hint = diagnostic.hint.as_ref().map_or(String::new(), |hint| format!(" [{hint}]"));
        format!("{}:{}: {}{hint}", diagnostic.line, diagnostic.column, diagnostic.message)
    };
    diagnostics.iter().map(line).collect()
}

fn check(cases: &[(String, &[&str])]) {
    for (text, expected) in cases {
        if told(text) != *expected { eprintln!("WRONG {:?}\n  exp {:?}\n of {}", told(text), expected, text); }
    }
}

#[test]
fn says_where_what_and_the_way_out() {
    let text = with_top("expose: { path: /v1/x, key: input.a }\ndeadlin: 5m");
    let diagnostics = Definition::parse("saga-defs/x.yaml", &text).expect_err("it is not sound");
    let told: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    saga-defs/x.yaml:2:17: error: `/v1` belongs to the API
      |
    2 | expose: { path: /v1/x, key: input.a }
      |                 ^
    saga-defs/x.yaml:3:1: error: a definition has no field `deadlin`
      |
    3 | deadlin: 5m
      | ^
    hint: did you mean `deadline`?
    ");
    insta::assert_json_snapshot!(diagnostics[1], @r#"
    {
      "file": "saga-defs/x.yaml",
      "line": 3,
      "column": 1,
      "message": "a definition has no field `deadlin`",
      "hint": "did you mean `deadline`?",
      "source": "deadlin: 5m"
    }
    "#);
}

#[test]
fn refuses_what_is_no_document() {
    let nested = format!("saga: x\ninput: {}{}\n", "[".repeat(100), "]".repeat(100));
    let mut bomb = "saga: x\na: &a [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for (name, of) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d"), ("f", "e"), ("g", "f")] {
        bomb += &format!("{name}: &{name} [{}]\n", vec![format!("*{of}"); 10].join(","));
    }
    let long = "x".repeat(2 << 20);
    let too_much = "this is more than a definition may have: one document of at most 50000 values, \
                    1000 aliases and 64 levels";
    check(&[
        ("saga: x\n  bad: [".into(), &["2:6: mapping values are not allowed in this context"]),
        ("saga: x\nsaga: y\n".into(), &["2:1: `saga` is said twice"]),
        ("saga: x\n---\nsaga: y\n".into(), &[&format!("2:1: {too_much}")]),
        (bomb, &[&format!("6:17: {too_much}")]),
        (nested, &["2:72: recursion limit exceeded"]),
        ("saga: \"x".into(), &["1:7: unclosed quote"]),
        (long, &["1:1: a definition has at most 1048576 bytes, and this has 2097152"]),
        ("[]".into(), &["1:1: a definition takes fields, and this is a list [its fields are `saga`, \
          `description`, `expose`, `value`, `deadline`, `input`, `steps`, `output`]"]),
        ("saga: x".into(), &["1:1: a definition needs a field `steps`"]),
    ]);
}

#[test]
fn refuses_wrong_fields_at_the_top() {
    let time = "write it as `200ms`, `5s`, `10m` or `1h`";
    let path = "write it as `/orders`: letters, digits, `-`, `.`, `_` and `~` between slashes";
    check(&[
        (with_top("description: 5"), &[
            "2:14: this takes text, and it is a number [put it in quotes]",
        ]),
        (with_top("deadline: 5"), &[
            &format!("2:11: this takes a duration, and it is a number [{time}]"),
        ]),
        (with_top("deadline: 5 m"), &[&format!("2:11: `5 m` is not a duration [{time}]")]),
        (with_top("deadline: 99999999999999999999h"), &[
            &format!("2:11: `99999999999999999999h` is not a duration [{time}]"),
        ]),
        (with_top("deadline: 0s"), &["2:11: `0s` is not between `1ms` and `8760h`"]),
        (with_top("deadline: 8761h"), &["2:11: `8761h` is not between `1ms` and `8760h`"]),
        (with_top("expose: { path: orders, key: input.a }"), &[
            &format!("2:17: `orders` is not a path that can be exposed [{path}]"),
        ]),
        (with_top("expose: { path: /, key: input.a }"), &[
            &format!("2:17: `/` is not a path that can be exposed [{path}]"),
        ]),
        (with_top("expose: { path: '/a/{b}', key: input.a }"), &[
            &format!("2:17: `/a/{{b}}` is not a path that can be exposed [{path}]"),
        ]),
        (with_top("expose: { path: /metrics, key: input.a }"), &[
            "2:17: `/metrics` belongs to the API",
        ]),
        (with_top("expose: { path: /a }"), &["2:9: `expose` needs a field `key`"]),
        (with_top("expose: { path: /a, key: saga.key }"), &[
            "2:26: `saga.key` cannot be read here [an expression sees `input` here]",
        ]),
        (with_top("expose: { path: /a, key: '${input.a}' }"), &[
            "2:26: this takes a bare expression [write it without `${` and `}`]",
        ]),
        (with_top("value: { amount: input.a }"), &["2:8: `value` needs a field `currency`"]),
        (with_top("input: { type: strin }"), &[
            "2:16: this is not a JSON Schema: \"strin\" is not valid under any of the schemas \
             listed in the 'anyOf' keyword [the types are `object`, `array`, `string`, `integer`, \
             `number`, `boolean` and `null`]",
        ]),
        (with_top("input: { properties: { a: { pattern: '(?=a)' } } }"), &[
            "2:38: this is not a JSON Schema: \"(?=a)\" is not a \"regex\"",
        ]),
        (with_top("input: { $ref: 'https://example.com/schema' }"), &[
            "2:8: this is not a JSON Schema: Resource 'https://example.com/schema' is not present \
             in a registry and retrieving it failed: Retrieval is disabled, cannot fetch \
             https://example.com/schema",
        ]),
        (with_top("output: { a: '${steps.a.output.x}' }"), &[
            "2:17: step `a` declares no `output`, so it cannot be read [give step `a` an `output`: \
             the JSON Schema of its answer]",
        ]),
    ]);
}

#[test]
fn refuses_wrong_fields_of_steps() {
    let none = "compensation: none";
    let action = "is not a valid action name: it takes 1 to 63 of `a-z`, `A-Z`, `0-9`, `_` and `-`, \
                  beginning with a letter";
    let step = |rest: &str| with_steps(&[&format!("{{ name: a, participant: p, {rest} }}")]);
    check(&[
        ("saga: x\nsteps: []".into(), &["2:8: a definition has 1 to 64 steps, and this has 0"]),
        (with_steps(&["{ name: a, participant: p, action: act }"]), &[
            "3:5: a compensatable step needs a field `compensation` [name the action that undoes \
             it; `compensation: none` says that nothing does]",
        ]),
        (with_steps(&["{ name: a-b, participant: P, action: act, compensation: none }"]), &[
            "3:13: `a-b` is not a valid step name: it takes 1 to 63 of `a-z`, `0-9` and `_`, \
             beginning with a letter",
            "3:31: `P` is not a valid participant name: it takes 1 to 63 of `a-z`, `0-9`, `_` and \
             `-`, beginning with a letter",
        ]),
        (step(&format!("action: a.b, {none}")), &[&format!("3:40: `a.b` {action}")]),
        (step("action: act, compensatoin: undo"), &[
            "3:5: a compensatable step needs a field `compensation` [name the action that undoes \
             it; `compensation: none` says that nothing does]",
            "3:45: a step has no field `compensatoin` [did you mean `compensation`?]",
        ]),
        (step(&format!("action: act, {none}, compensation_retry: {{}}")), &[
            "3:65: the step has no compensation, so this means nothing",
        ]),
        (step("action: act, kind: pivot, compensation: undo, when: input.a"), &[
            "3:58: a pivot step is never undone, so it has no compensation",
            "3:84: a pivot cannot have `when`: it always runs",
        ]),
        (step(&format!("action: act, {none}, kind: reversible")), &[
            "3:71: it takes `compensatable`, `pivot`, `retriable`",
        ]),
        (step(&format!("action: act, {none}, timeout: 25h")), &[
            "3:74: `25h` is not between `1ms` and `24h`",
        ]),
        (step(&format!("action: act, {none}, retry: {{ attempts: 0, factor: 0.5 }}")), &[
            "3:84: this takes a whole number from 1 to 1000",
            "3:95: this takes a number from 1 to 100",
        ]),
        (step(&format!("action: act, {none}, retry: {{ attempts: 1000000000 }}")), &[
            "3:84: this takes a whole number from 1 to 1000",
        ]),
        (step(&format!("action: act, {none}, retry: {{ initial: 1m }}")), &[
            "3:72: the first wait is longer than the longest [raise `max`, or lower `initial`]",
        ]),
    ]);
}

#[test]
fn refuses_an_order_that_leaves_no_way_through() {
    let step = |name: &str, rest: &str| {
        format!("{{ name: {name}, participant: p, action: act, {rest} }}")
    };
    let steps = |steps: &[String]| with_steps(&steps.iter().map(String::as_str).collect::<Vec<_>>());
    let undone = "compensation: none";
    check(&[
        (steps(&[step("a", undone), step("a", undone)]), &["4:13: there is a step `a` already"]),
        (steps(&[step("alpha", "compensation: none, needs: [alpha, alpa]")]), &[
            "3:77: step `alpha` cannot need itself",
            "3:84: there is no step `alpa` [did you mean `alpha`?]",
        ]),
        (steps(&[step("a", undone), step("b", "compensation: none, needs: [a, a]")]), &[
            "4:76: `a` is named twice",
        ]),
        (
            steps(&[
                step("a", "compensation: none, needs: [c]"),
                step("b", undone),
                step("c", undone),
                step("d", undone),
            ]),
            &["3:72: steps need each other in a circle: `a`, `b`, `c` [remove one of them from \
               `needs` of another]"],
        ),
        (steps(&[step("a", "kind: retriable")]), &[
            "3:51: a retriable step comes after the pivot, and there is no pivot [say `kind: pivot` \
             of the step after which there is no way back]",
        ]),
        (steps(&[step("a", "kind: pivot"), step("b", "kind: pivot")]), &[
            "4:51: step `a` is the pivot already, and a saga has one [say `kind: retriable` of \
             what cannot be undone after it]",
        ]),
        (
            steps(&[step("a", "kind: pivot"), step("b", "compensation: none, needs: []")]),
            &["4:5: step `b` can be undone, but may run after the pivot `a` [let `a` need it, or \
               say `kind: retriable`]"],
        ),
        (
            steps(&[step("a", "kind: pivot"), step("b", "kind: retriable, needs: []")]),
            &["4:69: step `b` is retriable, but may run before the pivot `a` [let it need `a`]"],
        ),
    ]);
}

#[test]
fn refuses_expressions_that_cannot_work() {
    let when = |source: &str| {
        with_steps(&[&format!(
            "{{ name: a, participant: p, action: act, compensation: none, when: '{source}' }}"
        )])
    };
    let sees = "[an expression sees `input`, `saga.id`, `saga.key` and `steps.<step>.output` here]";
    let undo = "[an expression sees `input`, `saga.id`, `saga.key`, `steps.<step>.output`, \
                `action.input` and `action.output` here]";
    let reads = |source: &str| {
        with_steps(&[
            "{ name: a, participant: p, action: act, compensation: none, output: {} }",
            "{ name: b, participant: p, action: act, compensation: none, needs: [] }",
            &format!(
                "{{ name: c, participant: p, action: act, compensation: x, needs: [a], {source} }}"
            ),
        ])
    };
    check(&[
        (when("1 +"), &["3:75: this expression ends too early"]),
        (when("1 ) 2"), &["3:74: this is not an expression: mismatched input ')'"]),
        (when(&"(".repeat(500)), &["3:72: this expression is nested too deeply"]),
        (when(&"1+".repeat(1200)), &[
            "3:72: an expression has at most 2048 bytes [let a participant compute it]",
        ]),
        (when("fo(input.x) || inpt.y"), &[
            "3:72: there is no function `fo` [expressions have the standard functions of CEL: \
             `size`, `has`, `matches`, …]",
            &format!("3:87: `inpt.y` cannot be read here {sees}"),
        ]),
        (when("input.a.all(x, input.b.all(y, input.c.all(z, x == y && y == z)))"), &[
            "3:72: more than 2 loops are nested here [let a participant compute it, or pass the \
             list on as it is]",
        ]),
        (when("input.a.all(x, x > 0) && x > 0"), &[&format!("3:84: `x` cannot be read here {sees}")]),
        (reads("input: { v: '${steps.b.output}' }"), &[
            "5:91: step `b` need not have run when this is evaluated [add `b` to `needs`, of this \
             step or of one that it needs]",
        ]),
        (reads("input: { v: 'to ${steps.aa.output} and ${steps.a.status}' }"), &[
            "5:94: there is no step `aa` [did you mean `a`?]",
            "5:115: only the output of step `a` can be read [write `steps.a.output`]",
        ]),
        (reads("input: { v: '${action.input}' }"), &[
            &format!("5:91: `action.input` cannot be read here {sees}"),
        ]),
        (reads("compensation_input: { v: '${actoin.input}' }"), &[
            &format!("5:104: `actoin.input` cannot be read here {undo}"),
        ]),
        (reads("input: { v: 'x ${input.a' }"), &[
            "5:91: this `${` is never closed [close it with `}`, or write `$${` where you mean a \
             literal `${`]",
        ]),
        (reads("input: { '${input.a}': 1 }"), &["5:85: a key is not a template; only values are"]),
        (reads("input: '${}'"), &["5:83: this expression ends too early"]),
    ]);
}
