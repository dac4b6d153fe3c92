//! The two forms of a contract.

use serde_json::{Value, json};

use crate::{CHECKOUT, ORDER, TRIP, VOYAGE, accepts, contract};

/// In order, so that a change shows as what it is.
fn pretty(document: &Value) -> String {
    format!("{document:#}")
}

#[test]
fn the_contract_of_orders_is_written_as_json_schemas() {
    insta::assert_snapshot!("order_json_schema", pretty(&contract(&[ORDER]).to_json_schema()));
}

#[test]
fn the_contract_of_orders_is_written_for_asyncapi() {
    insta::assert_snapshot!("order_asyncapi", pretty(&contract(&[ORDER]).to_asyncapi()));
}

#[test]
fn everything_that_can_be_inferred_is_written() {
    insta::assert_snapshot!("voyage_json_schema", pretty(&contract(&[VOYAGE]).to_json_schema()));
    insta::assert_snapshot!("voyage_asyncapi", pretty(&contract(&[VOYAGE]).to_asyncapi()));
}

#[test]
fn every_reference_leads_somewhere() {
    let contract = contract(&[ORDER, TRIP, CHECKOUT, VOYAGE]);
    let alone = contract.participants().map(|name| contract.only(name).unwrap());
    for contract in alone.chain([contract.clone()]) {
        for document in [contract.to_json_schema(), contract.to_asyncapi()] {
            let mut references = Vec::new();
            find(&document, &mut references);
            assert!(references.len() >= 2, "not even the headers");
            for reference in references {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} in\n{document:#}");
            }
        }
    }
}

fn find<'d>(value: &'d Value, references: &mut Vec<&'d str>) {
    if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        references.push(reference);
    }
    match value {
        Value::Object(fields) => fields.values().for_each(|value| find(value, references)),
        Value::Array(items) => items.iter().for_each(|value| find(value, references)),
        _ => {}
    }
}

#[test]
fn one_participant_is_told_only_what_concerns_it() {
    let contract = contract(&[ORDER, VOYAGE]);
    let payment = "payment".parse().unwrap();
    let document = contract.only(&payment).unwrap().to_json_schema();
    let names: Vec<_> = document.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["$comment", "$defs", "$schema", "payment"]);
    let shared: Vec<_> = document["$defs"].as_object().unwrap().keys().collect();
    assert_eq!(shared, ["command_headers", "reply_headers"]);
    let users = &document["payment"]["actions"]["charge"]["used_by"];
    assert_eq!(*users, serde_json::json!(["order.payment", "voyage.charge"]));
    assert!(contract.only(&"nobody".parse().unwrap()).is_none());
}

/// A guard says which of two things is sent, and takes nothing from what is said of either.
#[test]
fn what_stands_behind_a_guard_is_held_to_its_schema() {
    let text = "
saga: guarded
input:
  type: object
  required: [size]
  properties:
    size: { type: [integer, 'null'], minimum: 3 }
    note: { type: string, maxLength: 3 }
    mark: { type: string, pattern: '^[A-Z]$' }
steps:
  - name: a
    participant: p
    action: do
    compensation: none
    input:
      note: '${has(input.note) ? input.note : null}'
      size: '${input.size == null ? 7 : input.size}'
      both: '${has(input.mark) ? input.mark : has(input.note) ? input.note : \"none\"}'
      word: '${has(input.mark) ? \"yes\" : \"no\"}'
      made: '${has(input.note) ? input.note + \"!\" : null}'
";
    let document = contract(&[text]).to_json_schema();
    let takes = |field: &str, value: Value| {
        let pointer = format!("/p/actions/do/command/properties/{field}");
        accepts(&document, &pointer, &value)
    };
    for (field, right, wrong) in [
        ("note", vec![json!("abc"), json!(null)], vec![json!("abcd"), json!(7)]),
        ("size", vec![json!(7), json!(3)], vec![json!(null), json!(2), json!("7")]),
        ("both", vec![json!("A"), json!("abc"), json!("none")], vec![json!("four"), json!(null)]),
        ("word", vec![json!("yes"), json!("no")], vec![json!("maybe")]),
        ("made", vec![json!("abcd!"), json!(null)], vec![json!(7)]),
    ] {
        for value in right {
            assert!(takes(field, value.clone()), "{field}: {value}\n{document:#}");
        }
        for value in wrong {
            assert!(!takes(field, value.clone()), "{field}: {value}\n{document:#}");
        }
    }
}

#[test]
fn an_action_of_several_steps_takes_what_any_of_them_sends() {
    let document = contract(&[VOYAGE]).to_json_schema();
    let takes = |body| accepts(&document, "/airline/actions/reserve/command", &body);
    assert!(takes(serde_json::json!({ "legs": [{ "to": "A" }] })));
    assert!(!takes(serde_json::json!({ "legs": [{ "to": "C" }] })));
    assert!(!takes(serde_json::json!({})));
}
