//! What is proven of a definition before it runs, and how it is told where it is not.

use std::fmt::Write as _;

use super::Definition;

/// Steps before the one that reads, and what its saga is started with.
const BEFORE: &str = r##"
saga: x
expose: { path: /x, key: input.id }
input:
  type: object
  required: [id, total, items, who, address, bare]
  properties:
    id: { type: string }
    total: { type: integer }
    ratio: { type: number }
    note: { type: string }
    nick: { type: [string, "null"] }
    flag: { type: boolean }
    items:
      type: array
      items:
        type: object
        required: [sku]
        properties: { sku: { type: string }, gift: { type: string } }
    who: { type: object }
    address: { $ref: "#/$defs/address" }
    prices: { type: object, additionalProperties: { type: integer } }
    paid:
      oneOf:
        - type: object
          required: [by, card]
          properties: { by: { type: string }, card: { type: string } }
        - type: object
          required: [by, iban]
          properties: { by: { type: string }, iban: { type: string } }
        - { type: "null" }
  $defs:
    address:
      allOf:
        - { type: object, required: [country], properties: { country: { type: string } } }
        - { properties: { city: { type: string }, country: { minLength: 2 } } }
steps:
  - name: a
    participant: p
    action: act
    compensation: none
    output: { type: object, required: [id], properties: { id: { type: string } } }
  - name: b
    participant: p
    action: act
    compensation: none
    when: has(input.note)
    output: { type: object, required: [id], properties: { id: { type: string } } }
"##;

/// What is told of a definition, in short.
fn told(text: &str) -> Vec<String> {
    let diagnostics = match Definition::parse("x.yaml", text) {
        Ok(definition) => definition.warnings,
        Err(diagnostics) => diagnostics,
    };
    let told = diagnostics.into_iter().map(|found| {
        format!("{}: {}\n    {}", found.severity, found.message, found.hint.unwrap_or_default())
    });
    told.collect()
}

/// What is told of expressions, each standing alone at `place` of the last step.
fn told_of(place: &str, expressions: &[&str]) -> String {
    let mut all = String::new();
    for expression in expressions {
        let step = "{ name: c, participant: p, action: act, compensation: undo, input: {n: 1}";
        let step = match place {
            "input" => "{ name: c, participant: p, action: act, compensation: none",
            _ => step,
        };
        let quoted = serde_json::Value::from(*expression);
        let text = format!("{BEFORE}  - {step}, {place}: {quoted} }}\n");
        let told = told(&text);
        let told = if told.is_empty() { "ok".to_owned() } else { told.join("\n  ") };
        writeln!(all, "{expression}\n  {told}").unwrap();
    }
    all
}

#[test]
fn fields_are_there_or_guarded() {
    insta::assert_snapshot!(told_of(
        "input",
        &[
            "${input}",
            "${input.totl}",
            "${input.total.net}",
            "${input.total}",
            "${input.note}",
            "${has(input.note) ? input.note : ''}",
            "${has(input.note) && input.note != ''}",
            "${has(input.note) || input.note != ''}",
            "${!has(input.note) || input.note != ''}",
            "${!(has(input.note) && input.total > 1) || input.note == ''}",
            "${'note' in input ? input.note : ''}",
            "${has(input.ratio) ? input.note : ''}",
            "${has(input.notes) ? 1 : 2}",
            "${input['note']}",
            "${input.bare}",
            "${input.bare.x}",
            "${input.who}",
            "${input.who.name}",
            "${has(input.who.name) ? input.who.name : ''}",
            "${input.address.country}",
            "${input.address.city}",
            "${input.address.town}",
            "${has(input.prices) && has(input.prices.one) ? input.prices.one + 1 : 0}",
            "${has(input.prices) ? input.prices.one : 0}",
        ]
    ));
}

#[test]
fn nothing_is_read_of_null() {
    insta::assert_snapshot!(told_of(
        "input",
        &[
            "${steps.a.output.id}",
            "${steps.b.output}",
            "${steps.b.output.id}",
            "${has(steps.b.output.id) ? 1 : 2}",
            "${steps.b.output == null ? null : steps.b.output.id}",
            "${steps.b.output != null && steps.b.output.id == 'x'}",
            "${null != steps.b.output ? steps.b.output.id : ''}",
            "${steps.b.output == null || steps.b.output.id == 'x'}",
            "${steps.b.output == null && steps.b.output.id == 'x'}",
            "${has(input.nick) ? input.nick : 1}",
            "${has(input.nick) ? input.nick + '!' : 1}",
            "${has(input.nick) ? size(input.nick) : 1}",
            "${has(input.nick) && input.nick != null ? size(input.nick) : 1}",
            "${has(input.paid) ? input.paid.by : ''}",
            "${has(input.paid) && input.paid != null ? input.paid.by : ''}",
            "${has(input.paid) && input.paid != null ? input.paid.card : ''}",
            "${has(input.paid) && input.paid != null && has(input.paid.card) ? \
             input.paid.card : 1}",
            "${has(input.paid) && input.paid != null ? input.paid.cart : ''}",
        ]
    ));
}

#[test]
fn loops_and_places_get_what_they_take() {
    insta::assert_snapshot!(told_of(
        "input",
        &[
            "${input.items.map(i, i.sku)}",
            "${input.items.map(i, i.sky)}",
            "${input.items.map(i, i.gift)}",
            "${input.items.map(i, has(i.gift), i.gift)}",
            "${input.items.filter(i, has(i.gift)).map(g, g.gift)}",
            "${input.items.filter(i, i.sku != '').map(g, g.gift)}",
            "${input.items.all(i, has(i.gift) && i.gift != '')}",
            "${input.items.exists(i, i.sku)}",
            "${input.items[0].sku}",
            "${input.items[0].gift}",
            "${input.items.sku}",
            "${input.total.map(t, t)}",
            "${input.address.map(t, t)}",
            "${input.total && true}",
            "${input.total ? 1 : 2}",
            "of ${input.total} and ${input.id}",
            "of ${input.items}",
            "of ${input.address}!",
            "of ${steps.b.output}",
            "of ${has(input.nick) ? input.nick : ''}",
            "of ${input.bare}",
            "ä ${input.ittems} ö",
        ]
    ));
    insta::assert_snapshot!(told_of(
        "when",
        &[
            "input.total",
            "input.total > 1",
            "input.bare",
            "input.flag",
            "has(input.flag) && input.flag",
            "steps.b.output",
        ]
    ));
}

#[test]
fn compensations_can_always_be_given_their_input() {
    insta::assert_snapshot!(told_of(
        "compensation_input",
        &[
            "${action.input.n}",
            "${action.input.m}",
            "${action.input.n.x}",
            "${action.output}",
            "${action.output.id}",
            "${has(action.output) ? action.output.id : ''}",
            "${action.output == null ? '' : action.output.id}",
            "${steps.a.output.id}",
            "${steps.b.output.id}",
            "${saga.key} of ${saga.id}",
        ]
    ));
    // What `when` proves holds wherever its step is at all.
    let step = "{ name: c, participant: p, action: act, compensation: undo";
    let rest = "input: { n: '${input.note}', id: '${steps.b.output.id}' }, \
                compensation_input: '${input.note} ${action.input.n}' }";
    let when = "when: has(input.note) && steps.b.output != null";
    assert_eq!(told(&format!("{BEFORE}  - {step}, {when}, {rest}\n")), [""; 0]);
    assert_eq!(told(&format!("{BEFORE}  - {step}, {rest}\n")).len(), 3);
}

#[test]
fn keys_and_amounts_are_of_their_kind() {
    let of = |key: &str, amount: &str, currency: &str| {
        let before = BEFORE.replace("key: input.id", &format!("key: {key}"));
        let value = format!("value: {{ amount: {amount}, currency: {currency} }}");
        told(&format!("{before}{value}\n")).join("\n")
    };
    assert_eq!(of("input.id", "input.total", "input.id"), "");
    insta::assert_snapshot!(of("input.items", "input.id", "input.total"));
    insta::assert_snapshot!(of("input.note", "input.ratio", "input.nick"));
}

#[test]
fn what_is_read_of_the_whole_may_have_been_skipped() {
    let rest =
        "  - { name: p, participant: p, action: act, kind: pivot, output: { required: [n] } }
  - { name: r, participant: p, action: act, kind: retriable, output: { required: [n] } }
  - { name: q, participant: p, action: act, kind: retriable, input: '${steps.r.output.n}' }
output: { a: '${steps.a.output.id}', p: '${steps.p.output.n}', r: '${steps.r.output.n}' }
";
    insta::assert_snapshot!(told(&format!("{BEFORE}{rest}")).join("\n"));
    let unnamed = BEFORE.replace("expose: { path: /x, key: input.id }\n", "");
    let unnamed = told(&format!("{unnamed}output: 'saga ${{saga.key}}'\n"));
    insta::assert_snapshot!(unnamed.join("\n"));
}

#[test]
fn what_nobody_declares_is_a_warning_told_once() {
    let text = "
saga: x
steps:
  - name: a
    participant: p
    action: act
    compensation: undo
    input: { a: '${input.a}', b: '${input.b}' }
    compensation_input: '${action.output == null ? 1 : action.output.b}'
";
    insta::assert_snapshot!(told(text).join("\n"));
    let stored = Definition::from_canonical(
        r#"{"saga":"x","steps":[{"name":"a","participant":"p","action":"a","compensation":"u",
            "timeout":"1h","compensation_input":"${action.output.x}"}],"deadline":"5s"}"#,
    );
    assert!(stored.is_ok_and(|stored| stored.warnings.is_empty()));
}

#[test]
fn times_go_together() {
    let text = "
saga: x
deadline: 1m
steps:
  - { name: a, needs: [], participant: p, action: act, compensation: undo, timeout: 1m }
  - { name: b, needs: [], participant: p, action: act, compensation: none, timeout: 20s }
  - { name: c, needs: [b], participant: p, action: act, compensation: undo, timeout: 20s,
      compensation_timeout: 31m, compensation_retry: { attempts: 1 } }
  - { name: d, needs: [a, c], participant: p, action: act, kind: pivot, timeout: 1h,
      retry: { attempts: 1 } }
";
    insta::assert_snapshot!(told(text).join("\n"));
    insta::assert_snapshot!(told(&text.replace("timeout: 20s", "timeout: 40s")).join("\n"));
}

#[test]
fn a_place_within_an_expression_is_pointed_at() {
    let text = format!(
        "{BEFORE}  - {{ name: c, participant: p, action: act, compensation: none,\n\
         \x20     input: {{ n: \"${{'ä' + (has(input.note) ? input.note : input.note)}}\" }} }}\n"
    );
    let diagnostics = Definition::parse("x.yaml", &text).expect_err("it may be missing");
    insta::assert_snapshot!(diagnostics[0]);
}
