//! Tests of definitions: what is refused and how it is said, what expressions and templates make, and that the canonical
//! form keeps what it means.

mod canonical;
mod evaluate;
mod refuse;

use super::Definition;

/// The definition that the documentation shows.
const ORDER: &str = include_str!("../../../../../saga-defs/order.yaml");

/// A definition that must be sound.
fn sound(text: &str) -> Definition {
    match Definition::parse("test.yaml", text) {
        Ok(definition) => definition,
        Err(diagnostics) => {
            let told: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
            panic!("it is refused:\n{}", told.join("\n"));
        }
    }
}

#[test]
fn the_order_of_the_documentation_is_sound() {
    let order = sound(ORDER);
    assert_eq!(order.name.as_str(), "order");
    assert_eq!(order.steps.len(), 3);
    assert_eq!(order.steps[2].needs, [1]);
    assert_eq!(order.steps[0].dependents, [1]);
    assert_eq!(order.participants().len(), 3);
}

#[test]
fn is_shared_between_threads() {
    fn check<T: Send + Sync + std::fmt::Debug>() {}
    check::<Definition>();
}
