//! The orders that are placed.

use serde_json::{Value, json};

/// Steps of an order.
pub(crate) const STEPS: u32 = 3;
/// Articles that the stock has by nature.
const ARTICLES: u32 = 100;

/// An order that completes: a customer of its own, an article shared with one in a hundred, as in a
/// shop whose customers do not all buy the same.
pub(crate) fn order(number: u32) -> Value {
    json!({
        "order_id": format!("bench-{number}"),
        "customer_id": format!("customer-{number}"),
        "items": [{ "sku": format!("sku-{}", number % ARTICLES + 1), "quantity": 1 }],
        "total": 4200,
        "currency": "EUR",
        "address": {
            "name": "Ada Lovelace", "street": "Hauptstr. 1", "city": "Berlin",
            "postal_code": "10115", "country": "DE",
        },
    })
}
