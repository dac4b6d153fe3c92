//! A picture as an image. The upper part of a box is the way forward, its lower part the way back,
//! and the arrows of each touch the part they belong to.

use std::fmt::{Arguments, Write};

use saga_protocol::StepKind;

use super::{
    Node, Picture,
    layout::{Frame, LINE, LOWER, Layout, MARGIN, PIVOT_HEAD, lines},
    style::SHEET,
    text,
};

/// The arrow heads: what it is called, and where it points.
const HEADS: [&str; 2] = ["forward", "backward"];
/// Rounding of boxes.
const RADIUS: i32 = 8;

/// Writes it.
pub(super) fn write(picture: &Picture) -> String {
    let layout = Layout::of(picture);
    let (name, width, height) = (escape(&picture.name), layout.width, layout.height);
    let mut out = String::new();
    let mut put = |line: Arguments<'_>| {
        writeln!(out, "{line}").expect("a string takes whatever is written");
    };
    put(format_args!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"saga-picture\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-labelledby=\"saga-{name}-title saga-{name}-desc\">"
    ));
    put(format_args!("<title id=\"saga-{name}-title\">saga {name}</title>"));
    put(format_args!("<desc id=\"saga-{name}-desc\">{}</desc>", escape(&in_words(picture))));
    put(format_args!("<style>\n{SHEET}</style>\n<defs>"));
    for head in HEADS {
        put(format_args!(
            "<marker id=\"saga-{name}-{head}\" viewBox=\"0 0 10 10\" refX=\"9\" refY=\"5\" \
             markerWidth=\"9\" markerHeight=\"9\" markerUnits=\"userSpaceOnUse\" \
             orient=\"auto\"><path class=\"{head}-head\" d=\"M0 0.5 L10 5 L0 9.5 z\"/></marker>"
        ));
    }
    put(format_args!("</defs>\n<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>"));
    put(format_args!("<text class=\"title\" x=\"{MARGIN}\" y=\"{}\">{name}</text>", MARGIN + 8));
    let arrows = [("forward", &layout.forward), ("backward", &layout.backward)];
    for (way, path) in arrows.iter().flat_map(|(way, all)| all.iter().map(move |one| (way, one))) {
        put(format_args!(
            "<path class=\"{way}\" d=\"{path}\" marker-end=\"url(#saga-{name}-{way})\"/>"
        ));
    }
    if let Some(x) = layout.no_way_back {
        let top = MARGIN + PIVOT_HEAD;
        put(format_args!(
            "<text class=\"no-way-back-text\" x=\"{x}\" y=\"{top}\" text-anchor=\"middle\">\
             no way back</text>\n<line class=\"no-way-back\" x1=\"{x}\" y1=\"{}\" x2=\"{x}\" \
             y2=\"{}\"/>",
            top + 9,
            layout.bottom + 8,
        ));
    }
    for (step, frame) in layout.frames.iter().enumerate() {
        put(format_args!("{}", step_box(picture, step, *frame)));
    }
    put(format_args!("{}</svg>", legend(picture, &layout)));
    out
}

fn step_box(picture: &Picture, step: usize, frame: Frame) -> String {
    let node = &picture.nodes[step];
    let Frame { x, y, width, height } = frame;
    let conditional = if node.condition.is_some() { " conditional" } else { "" };
    let rule = y + height - LOWER;
    let lines = lines(picture, step);
    let count = i32::try_from(lines.len() + 1).unwrap_or(i32::MAX / LINE);
    // The lines stand in the middle of the upper part.
    let first = y + (height - LOWER - count * LINE) / 2 + LINE - 5;
    let left = x + 14;
    let mut out = format!(
        "<g class=\"step {}{conditional}\"><title>{}</title>\n<rect class=\"box\" x=\"{x}\" \
         y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"{RADIUS}\"/>\n<path class=\"rule\" \
         d=\"M{x} {rule} H{}\"/>\n<text class=\"name\" x=\"{left}\" y=\"{first}\">{}</text>\n",
        node.kind,
        escape(&step_in_words(node)),
        x + width,
        escape(&text::line(&node.name)),
    );
    let mut put = |class: &str, y: i32, line: &str| {
        let line = escape(line);
        out.push_str(&format!("<text class=\"{class}\" x=\"{left}\" y=\"{y}\">{line}</text>\n"));
    };
    let mut at = first;
    for line in lines {
        at += LINE;
        put("line", at, &line);
    }
    let lower = y + height - LOWER / 2 + 4;
    let class = if node.compensation.is_some() { "line undo" } else { "line" };
    put(class, lower, &text::line(&node.way_back()));
    out.push_str("</g>");
    out
}

/// What the two kinds of arrows mean.
fn legend(picture: &Picture, layout: &Layout) -> String {
    let y = layout.height - MARGIN / 2 - 8;
    let mut x = MARGIN;
    let mut out = String::new();
    let ways = [
        ("forward", "forward", !picture.forward.is_empty()),
        ("backward", "way back: what took effect is undone", !picture.backward.is_empty()),
    ];
    for (way, words, _) in ways.into_iter().filter(|(.., is_there)| *is_there) {
        let (from, to) = if way == "forward" { (x, x + 30) } else { (x + 30, x) };
        out.push_str(&format!(
            "<path class=\"{way}\" d=\"M{from} {} H{to}\" marker-end=\"url(#saga-{}-{way})\"/>\n\
             <text class=\"tag\" x=\"{}\" y=\"{y}\">{words}</text>\n",
            y - 4,
            escape(&picture.name),
            x + 38,
        ));
        x += 38 + 62;
    }
    out
}

/// The whole in a few sentences, for whoever does not see it.
fn in_words(picture: &Picture) -> String {
    let description = picture.description.iter().flat_map(|text| text.split_whitespace());
    let mut words: Vec<_> = description.map(str::to_owned).collect();
    for (step, node) in picture.nodes.iter().enumerate() {
        let before = picture.forward.iter().filter(|edge| edge.to == step);
        let before: Vec<_> = before.map(|edge| picture.nodes[edge.from].name.as_str()).collect();
        let after = match before.as_slice() {
            [] => "first".to_owned(),
            before => format!("after {}", before.join(" and ")),
        };
        words.push(format!("{}, {after}.", step_in_words(node)));
    }
    words.join(" ")
}

fn step_in_words(node: &Node) -> String {
    let mut words = format!("{}: {}", node.name, node.action);
    if node.kind != StepKind::Compensatable {
        words.push_str(&format!(", {}", node.kind));
    }
    if let Some(condition) = &node.condition {
        words.push_str(&format!(", when {condition}"));
    }
    if let Some(query) = &node.query {
        words.push_str(&format!(", asks {query}"));
    }
    words.push_str(&format!(", {}", node.way_back()));
    words
}

fn escape(text: &str) -> String {
    text::escape(text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '"' => Some("&quot;"),
        '\'' => Some("&#39;"),
        _ => None,
    })
}
