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

/// Whatever a definition says, the image is XML: only characters that XML has, every element closed
/// by its own end, and nothing but references behind an ampersand.
#[test]
fn an_image_is_xml_whatever_is_written_in_it() {
    let odd: String = ('\0'..'\u{3000}').chain('\u{e000}'..='\u{10010}').collect();
    let mut picture = picture(JOURNEY);
    picture.description = Some(format!("first\nsecond {odd}"));
    for (at, node) in picture.nodes.iter_mut().enumerate() {
        // Lines are cut: each node has other characters.
        node.condition = Some(odd.chars().skip(30 * at).take(30).collect());
    }
    let svg = picture.to_svg();
    assert!(svg.contains("<desc id=\"saga-journey-desc\">first second "), "{svg}");
    let is_xml = |c: char| match c {
        '\t' | '\n' | '\r' => true,
        _ => c >= ' ' && !matches!(c, '\u{fffe}' | '\u{ffff}'),
    };
    assert_eq!(svg.chars().find(|c| !is_xml(*c)), None);
    let mut open = Vec::new();
    for part in svg.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap();
        assert!(!text.contains('>'), "`>` in {text:?}");
        for reference in text.split('&').skip(1).chain(tag.split('&').skip(1)) {
            let (name, _) = reference.split_once(';').unwrap();
            assert!(["amp", "lt", "gt", "quot", "#39"].contains(&name), "{name:?}");
        }
        assert!(tag.matches('"').count().is_multiple_of(2), "{tag:?}");
        let name = tag.split_ascii_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
