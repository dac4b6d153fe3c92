//! A picture as a flowchart in Mermaid.

use std::fmt::Write;

use saga_protocol::StepKind;

use super::{Edge, Node, Picture, text};

/// How each kind of step looks; colours that can be read on light and on dark paper.
const CLASSES: &str = "  classDef compensatable fill:#e8f0fe,stroke:#3867c8,color:#10203f
  classDef pivot fill:#fdeecb,stroke:#b26a00,stroke-width:3px,color:#3f2600
  classDef retriable fill:#e3f5e8,stroke:#2c8048,color:#0c2f18
";

/// Writes it.
pub(super) fn write(picture: &Picture) -> String {
    let mut out = "flowchart LR\n".to_owned();
    for node in &picture.nodes {
        let (open, close) = match node.kind {
            StepKind::Compensatable => ("[", "]"),
            StepKind::Pivot => ("{{", "}}"),
            StepKind::Retriable => ("([", "])"),
        };
        put(&mut out, format_args!("  {}{open}\"{}\"{close}", id(node), label(node)));
    }
    for edge in &picture.forward {
        put(&mut out, format_args!("  {}", arrow(picture, *edge, "-->")));
    }
    for edge in &picture.backward {
        put(&mut out, format_args!("  {}", arrow(picture, *edge, "-.->")));
    }
    out.push_str(CLASSES);
    for kind in [StepKind::Compensatable, StepKind::Pivot, StepKind::Retriable] {
        let of_kind = picture.nodes.iter().filter(|node| node.kind == kind);
        let ids: Vec<_> = of_kind.map(id).collect();
        if !ids.is_empty() {
            put(&mut out, format_args!("  class {} {kind}", ids.join(",")));
        }
    }
    out
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes whatever is written");
}

/// A step may be called `end` or `class`, which Mermaid keeps for itself.
fn id(node: &Node) -> String {
    format!("step_{}", node.name)
}

fn arrow(picture: &Picture, Edge { from, to }: Edge, arrow: &str) -> String {
    format!("{} {arrow} {}", id(&picture.nodes[from]), id(&picture.nodes[to]))
}

fn label(node: &Node) -> String {
    let mut lines = vec![format!("<b>{}</b>", escape(&node.name)), escape(&node.action)];
    lines.extend(node.condition.as_ref().map(|when| escape(&format!("when {when}"))));
    lines.extend(node.query.as_ref().map(|query| escape(&format!("asks {query}"))));
    lines.push(format!("<i>{}</i>", escape(&node.way_back())));
    lines.join("<br/>")
}

fn escape(text: &str) -> String {
    text::escape(&text::line(text), |c| match c {
        '"' => Some("#quot;"),
        '<' => Some("#lt;"),
        '>' => Some("#gt;"),
        '&' => Some("#amp;"),
        '#' => Some("#35;"),
        '`' => Some("#96;"),
        '\\' => Some("#92;"),
        _ => None,
    })
}
