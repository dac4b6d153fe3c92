//! Tests of definitions: what is refused and how it is said, what expressions and templates make,
//! and that the canonical form keeps what it means.

mod canonical;
mod evaluate;
mod prove;
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

#[test]
fn what_yaml_allows_is_read() {
    let text = "\u{feff}saga: x\r\n\
        steps:\r\n\
        \x20 - &a { name: a, participant: p, action: act, compensation: none, needs: [] }\r\n\
        \x20 - { <<: *a, name: b, input: { country: NO, yes: yes, at: 12:30, n: 0x10 } }\r\n\
        \x20 - name: c\r\n\
        \x20   participant: p\r\n\
        \x20   action: act\r\n\
        \x20   compensation: none\r\n\
        \x20   when: >-\r\n\
        \x20     input.a > 1 &&\r\n\
        \x20     input.b < 2\r\n";
    let definition = sound(text);
    let input = definition.steps[1].input.source().to_string();
    assert_eq!(input, r#"{"at":"12:30","country":"NO","n":16,"yes":"yes"}"#);
    let when = definition.steps[2].when.as_ref().map(super::Expression::source);
    assert_eq!(when, Some("input.a > 1 && input.b < 2"));
}
