//! A picture in the language of Graphviz.

use std::fmt::Write;

use saga_protocol::StepKind;

use super::{Edge, Node, Picture, text};

/// What holds for all of it.
const STYLE: &str = "  rankdir=LR
  bgcolor=\"white\"
  fontname=\"Helvetica\"
  node [shape=box, style=\"rounded,filled\", fontname=\"Helvetica\", fontsize=12]
  node [margin=\"0.2,0.1\"]
  edge [color=\"#3867c8\", penwidth=1.4]
";

/// Writes it.
pub(super) fn write(picture: &Picture) -> String {
    let mut out = format!("digraph {} {{\n{STYLE}", quote(&picture.name));
    for node in &picture.nodes {
        let look = match node.kind {
            StepKind::Compensatable => "fillcolor=\"#e8f0fe\", color=\"#3867c8\"",
            StepKind::Pivot => {
                "shape=octagon, style=filled, penwidth=2.5, fillcolor=\"#fdeecb\", \
                 color=\"#b26a00\""
            }
            StepKind::Retriable => "fillcolor=\"#e3f5e8\", color=\"#2c8048\"",
        };
        put(&mut out, format_args!("  {} [label={}, {look}]", quote(&node.name), label(node)));
    }
    for edge in &picture.forward {
        put(&mut out, format_args!("  {}", arrow(picture, *edge)));
    }
    if !picture.backward.is_empty() {
        out.push_str("  edge [style=dashed, color=\"#b3366b\", constraint=false]\n");
    }
    for edge in &picture.backward {
        put(&mut out, format_args!("  {}", arrow(picture, *edge)));
    }
    out.push_str("}\n");
    out
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("a string takes whatever is written");
}

fn arrow(picture: &Picture, Edge { from, to }: Edge) -> String {
    format!("{} -> {}", quote(&picture.nodes[from].name), quote(&picture.nodes[to].name))
}

fn label(node: &Node) -> String {
    let mut lines = vec![node.name.clone(), node.action.clone()];
    lines.extend(node.condition.as_ref().map(|when| format!("when {when}")));
    lines.extend(node.query.as_ref().map(|query| format!("asks {query}")));
    lines.push(node.way_back());
    let lines: Vec<_> = lines.iter().map(|line| escape(&text::line(line))).collect();
    format!("\"{}\"", lines.join("\\n"))
}

fn quote(name: &str) -> String {
    format!("\"{}\"", escape(name))
}

fn escape(text: &str) -> String {
    text::escape(text, |c| match c {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        _ => None,
    })
}
