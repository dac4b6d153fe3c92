//! What participants must speak: what the core sends, and accepts, is what the contract says.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod forms;
mod spoken;

use saga_core::{Definition, contract::Contract};
use serde_json::Value;

const ORDER: &str = include_str!("../../../../saga-defs/order.yaml");
const TRIP: &str = include_str!("../../../../saga-defs/trip.yaml");
const CHECKOUT: &str = include_str!("../../../../saga-defs/checkout.yaml");
/// Everything that a schema can be inferred from.
const VOYAGE: &str = include_str!("voyage.yaml");

fn define(text: &str) -> Definition {
    Definition::parse("test.yaml", text).unwrap()
}

fn contract(texts: &[&str]) -> Contract {
    let definitions: Vec<_> = texts.iter().map(|text| define(text)).collect();
    Contract::of(&definitions)
}

/// Whether a schema of a document accepts a value.
fn accepts(document: &Value, pointer: &str, value: &Value) -> bool {
    let schema = document.pointer(pointer).unwrap();
    // What it refers to is in the document.
    let whole = serde_json::json!({ "allOf": [schema], "$defs": document["$defs"] });
    jsonschema::options().offline().build(&whole).unwrap().is_valid(value)
}
