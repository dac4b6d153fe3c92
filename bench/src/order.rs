//! The orders that are placed.

use serde_json::{Value, json};

/// Steps of an order.
pub(crate) const STEPS: u32 = 3;
/// A command and a reply for each step: fewer messages do not do it.
pub(crate) const MESSAGES_MIN: u32 = 2 * STEPS;
/// Those of the orchestrator for one order alone: the start, and one for each answer.
pub(crate) const COMMITS_MIN: u32 = 1 + STEPS;
/// Those of the participants: one for each step.
pub(crate) const PARTICIPANT_COMMITS_MIN: u32 = STEPS;
/// Articles that the stock has by nature.
const ARTICLES: u32 = 100;
/// Where no parcel goes.
pub(crate) const NOT_SERVED: &str = "AQ";

/// An order: a customer of its own, an article shared with one in a hundred, as in a shop whose
/// customers do not all buy the same. The last step refuses those that go to Antarctica.
pub(crate) fn order(number: u32, is_refused: bool) -> Value {
    json!({
        "order_id": format!("bench-{number}"),
        "customer_id": format!("customer-{number}"),
        "items": [{ "sku": format!("sku-{}", number % ARTICLES + 1), "quantity": 1 }],
        "total": 4200,
        "currency": "EUR",
        "address": {
            "name": "Ada Lovelace", "street": "Hauptstr. 1", "city": "Berlin",
            "postal_code": "10115", "country": if is_refused { NOT_SERVED } else { "DE" },
        },
    })
}

/// Whether this order is one of so many in a hundred, which are spread evenly.
pub(crate) fn is_refused(number: u32, percent: u32) -> bool {
    let so_far = |number: u64| number * u64::from(percent) / 100;
    so_far(u64::from(number) + 1) > so_far(number.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_a_hundred_are_refused_evenly() {
        let refused = |percent| (0..1_000).filter(move |n| is_refused(*n, percent));
        for percent in [0, 1, 7, 50, 100] {
            assert_eq!(refused(percent).count(), 10 * percent as usize);
        }
        assert_eq!(refused(20).take(3).collect::<Vec<_>>(), [4, 9, 14]);
    }

    #[test]
    fn what_is_refused_goes_where_no_parcel_goes() {
        let country = |refused| order(1, refused)["address"]["country"].clone();
        assert_eq!([country(false), country(true)], ["DE", NOT_SERVED]);
    }
}
