//! Definitions as pictures: an order, and one with branches, a condition, a pivot and what follows
//! it; and what must hold of every picture.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use saga_core::{Definition, picture::Picture};

const ORDER: &str = include_str!("../../../../saga-defs/order.yaml");
const JOURNEY: &str = include_str!("journey.yaml");

fn picture(text: &str) -> Picture {
    Picture::of(&Definition::parse("test.yaml", text).unwrap())
}

#[test]
fn an_order_is_drawn() {
    let order = picture(ORDER);
    insta::assert_snapshot!("order_mermaid", order.to_mermaid());
    insta::assert_snapshot!("order_dot", order.to_dot());
    insta::assert_snapshot!("order_svg", order.to_svg());
}

#[test]
fn branches_a_condition_a_pivot_and_retriable_steps_are_drawn() {
    let journey = picture(JOURNEY);
    insta::assert_snapshot!("journey_mermaid", journey.to_mermaid());
    insta::assert_snapshot!("journey_dot", journey.to_dot());
    insta::assert_snapshot!("journey_svg", journey.to_svg());
}
