//! Orders as the tests place them.

use serde_json::{Value, json};

/// An order that completes; the tests change what must be refused.
#[must_use]
pub fn order(order_id: &str) -> Value {
    json!({
        "order_id": order_id,
        "customer_id": format!("customer-of-{order_id}"),
        "items": [{ "sku": "sku-1", "quantity": 2 }, { "sku": "sku-2", "quantity": 1 }],
        "total": 4200,
        "currency": "EUR",
        "address": {
            "name": "Ada Lovelace", "street": "Hauptstr. 1", "city": "Berlin",
            "postal_code": "10115", "country": "DE",
        },
    })
}

/// An order with one field, named by its JSON pointer, set to another value.
///
/// # Panics
/// When an order has no such field.
#[must_use]
pub fn order_with(order_id: &str, pointer: &str, value: Value) -> Value {
    let mut order = order(order_id);
    *order.pointer_mut(pointer).expect("an order has this field") = value;
    order
}
