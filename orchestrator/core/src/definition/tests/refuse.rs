//! What is refused, where that is pointed at, and the way out that is shown.

use super::{super::Diagnostic, Definition};

/// A definition whose steps are the given lines; the first of them is line 3.
fn with_steps(steps: &[&str]) -> String {
    format!("saga: x\nsteps:\n  - {}\n", steps.join("\n  - "))
}

/// A definition that has these lines at its top; the first of them is line 2.
fn with_top(top: &str) -> String {
    let step = "{ name: a, participant: p, action: act, compensation: none }";
    format!("saga: x\n{top}\nsteps: [{step}]\n")
}

/// Each definition with what is told of it: where, what, and the way out.
fn told(definitions: &[String]) -> String {
    let tell = |text: &String| {
        let diagnostics = Definition::parse("x.yaml", text).expect_err("it is not sound");
        let lines = diagnostics.iter().map(|diagnostic| {
            let Diagnostic { line, column, message, hint, .. } = diagnostic;
            let hint = hint.as_ref().map_or(String::new(), |hint| format!("\n     hint: {hint}"));
            format!("  {line}:{column}: {message}{hint}\n")
        });
        let shown: String = text.chars().take(300).collect();
        format!("{}\n{}", shown.trim_end(), lines.collect::<String>())
    };
    definitions.iter().map(tell).collect::<Vec<_>>().join("\n")
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
    let documents = [
        String::new(),
        "[]".into(),
        "saga: x".into(),
        "saga: Order\nsteps: 5".into(),
        "saga: x\n  bad: [".into(),
        "saga: \"x".into(),
        "saga: x\nsaga: y\n".into(),
        "saga: x\n---\nsaga: y\n".into(),
        nested,
        bomb,
        "x".repeat(2 << 20),
    ];
    insta::assert_snapshot!(told(&documents));
}

#[test]
fn refuses_wrong_fields_at_the_top() {
    let tops = [
        "description: 5",
        "deadlin: 5m",
        "deadline:",
        "deadline: 5",
        "deadline: 5 m",
        "deadline: -5s",
        "deadline: 99999999999999999999h",
        "deadline: 0s",
        "deadline: 8761h",
        "expose: { path: orders, key: input.a }",
        "expose: { path: /, key: input.a }",
        "expose: { path: '/a/{b}', key: input.a }",
        "expose: { path: /a/../b, key: input.a }",
        "expose: { path: /v1/x, key: input.a }",
        "expose: { path: /metrics, key: input.a }",
        "expose: { path: /a }",
        "expose: { path: /a, key: saga.key }",
        "expose: { path: /a, key: '${input.a}' }",
        "value: { amount: input.a }",
        "input: { type: strin }",
        "input: { properties: { a: { pattern: '(?=a)' } } }",
        "input: { $ref: 'https://example.com/schema' }",
        "output: { a: '${steps.a.output.x}' }",
    ];
    insta::assert_snapshot!(told(&tops.map(with_top)));
}

#[test]
fn refuses_wrong_fields_of_steps() {
    let steps = [
        "{}",
        "{ name: a-b, participant: P, action: a.b, compensation: none }",
        "{ name: a, participant: p, action: act }",
        "{ name: a, participant: p, action: act, compensatoin: undo }",
        "{ name: a, participant: p, action: act, compensation: none, compensation_retry: {} }",
        "{ name: a, participant: p, action: act, kind: pivot, compensation: undo, when: input.a }",
        "{ name: a, participant: p, action: act, compensation: none, kind: reversible }",
        "{ name: a, participant: p, action: act, compensation: none, timeout: 25h }",
        "{ name: a, participant: p, action: act, compensation: u, compensation_timeout: 0ms }",
        "{ name: a, participant: p, action: act, compensation: none, retry: 5 }",
        "{ name: a, participant: p, action: act, compensation: none, retry: { attempts: 0 } }",
        "{ name: a, participant: p, action: act, compensation: none, retry: { attempts: 1e9 } }",
        "{ name: a, participant: p, action: act, compensation: none, retry: { factor: 0.5 } }",
        "{ name: a, participant: p, action: act, compensation: none, retry: { initial: 1m } }",
        "{ name: a, participant: p, action: act, compensation: none, output: { type: 7 } }",
    ];
    let mut definitions = steps.map(|step| with_steps(&[step])).to_vec();
    definitions.push("saga: x\nsteps: []".to_owned());
    insta::assert_snapshot!(told(&definitions));
}

#[test]
fn refuses_an_order_that_leaves_no_way_through() {
    let undone = "action: act, compensation: none";
    let orders = [
        vec![("a", undone), ("a", undone)],
        vec![("alpha", "action: act, compensation: none, needs: [alpha, alpa]")],
        vec![("a", undone), ("b", "action: act, compensation: none, needs: [a, a]")],
        vec![
            ("a", "action: act, compensation: none, needs: [c]"),
            ("b", undone),
            ("c", undone),
            ("d", undone),
        ],
        vec![("a", "action: act, kind: retriable")],
        vec![("a", "action: act, kind: pivot"), ("b", "action: act, kind: pivot")],
        vec![
            ("a", "action: act, kind: pivot"),
            ("b", "action: act, compensation: none, needs: []"),
        ],
        vec![("a", "action: act, kind: pivot"), ("b", "action: act, kind: retriable, needs: []")],
    ];
    let definition = |order: Vec<(&str, &str)>| {
        let step = |(name, rest)| format!("{{ name: {name}, participant: p, {rest} }}");
        let steps: Vec<_> = order.into_iter().map(step).collect();
        with_steps(&steps.iter().map(String::as_str).collect::<Vec<_>>())
    };
    insta::assert_snapshot!(told(&orders.map(definition)));
}

#[test]
fn refuses_expressions_that_cannot_work() {
    let fields = [
        "when: '1 +'",
        "when: '1 ) 2'",
        &format!("when: '{}'", "(".repeat(200)),
        &format!("when: '{}'", "1+".repeat(1_200)),
        "when: true",
        "when: 'fo(input.x) || inpt.y'",
        "when: 'input.l.all(x, input.l.all(y, input.l.all(z, x == y && y == z)))'",
        "when: 'input.l.all(x, x > 0) && x > 0'",
        "when: 'steps[\"a\"].output.x > 0'",
        "when: 'steps.a.output.x > steps.c.output.x'",
        "when: 'Order{id: 1}.id == 1'",
        "input: { v: '${steps.b.output}' }",
        "input: { v: 'to ${steps.aa.output} and ${steps.a.status}' }",
        "input: { v: '${action.input}' }",
        "compensation_input: { v: '${actoin.input}', o: '${steps.c.output}' }",
        "input: { v: 'x ${input.a' }",
        "input: { '${input.a}': 1 }",
        "input: '${}'",
        "input: { l: ['${1 +}', '${foo}'], m: { n: '${bar}' } }",
    ];
    let definition = |field: &str| {
        let last = format!("name: c, participant: p, action: act, compensation: x, {field}");
        with_steps(&[
            "{ name: a, participant: p, action: act, compensation: none, output: {} }",
            "{ name: b, participant: p, action: act, compensation: none, needs: [] }",
            &format!("{{ needs: [a], {last} }}"),
        ])
    };
    insta::assert_snapshot!(told(&fields.map(definition)));
}
