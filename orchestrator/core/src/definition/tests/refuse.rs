//! How what is wrong is told. What is refused, and with which words: `tests/corpus`.

use super::Definition;

/// A definition that has these lines at its top; the first of them is line 2.
fn with_top(top: &str) -> String {
    let step = "{ name: a, participant: p, action: act, compensation: none }";
    format!("saga: x\n{top}\nsteps: [{step}]\n")
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
    hint: expose another path, such as `/orders`
    saga-defs/x.yaml:2:29: warning: there is no schema of `input`, so nothing is known of its fields
      |
    2 | expose: { path: /v1/x, key: input.a }
      |                             ^
    hint: give the definition an `input`: the JSON Schema of what a saga is started with
    saga-defs/x.yaml:3:1: error: a definition has no field `deadlin`
      |
    3 | deadlin: 5m
      | ^
    hint: did you mean `deadline`?
    ");
    insta::assert_json_snapshot!(diagnostics[2], @r#"
    {
      "file": "saga-defs/x.yaml",
      "line": 3,
      "column": 1,
      "severity": "error",
      "message": "a definition has no field `deadlin`",
      "hint": "did you mean `deadline`?",
      "source": "deadlin: 5m"
    }
    "#);
}

#[test]
fn refuses_what_is_too_long_to_be_a_definition() {
    let diagnostics = Definition::parse("x.yaml", &"x".repeat(2 << 20)).expect_err("it is long");
    let told = "x.yaml:1:1: error: a definition has at most 1048576 bytes, and this has 2097152";
    assert_eq!(diagnostics[0].to_string(), told);
}

#[test]
fn tells_no_more_than_somebody_reads() {
    let step = "{ name: a, participant: P, action: '', compensation: none, color: red }";
    let text = format!("saga: x\nsteps:\n{}", format!("  - {step}\n").repeat(50));
    let diagnostics = Definition::parse("x.yaml", &text).expect_err("it is not sound");
    assert_eq!(diagnostics.len(), 100);
    assert!(diagnostics.is_sorted_by_key(|found| (found.line, found.column)));
}
