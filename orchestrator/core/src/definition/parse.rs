//! From a file to a checked definition: the entrance, and what stands at the top of a file.

use std::time::Duration;

use saga_protocol::{Json, StepKind, limits};
use serde_json::value::RawValue;

use super::{
    Definition, Diagnostic, Schema, Template, canonical,
    diagnostic::Findings,
    graph::{Graph, Outline},
    model::{AtRisk, Expose},
    read::{self, Fields},
    scope::{Sight, Stage, View},
    step::{self, Neighbours},
    template,
    tree::{Node, Place},
};

/// The longest deadline: a saga that may take longer than a year needs none.
const DEADLINE_MAX: Duration = Duration::from_hours(24 * 365);
/// Paths that are the API's own, and all below them.
const PATHS_TAKEN: [&str; 5] = ["/v1", "/healthz", "/readyz", "/metrics", "/openapi.json"];
/// The longest path of a definition, in bytes.
const PATH_BYTES_MAX: usize = 200;

const FIELDS: [&str; 8] =
    ["saga", "description", "expose", "value", "deadline", "input", "steps", "output"];

impl Definition {
    /// Reads and checks the text of a file, YAML or JSON.
    ///
    /// # Errors
    /// Everything that is wrong with it; only a text that is no YAML at all hides what else there
    /// is.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut findings = Findings::new(file_name, text);
        let draft = read_tree(text, &mut findings).and_then(|tree| draft(&tree, &mut findings));
        let draft = checked(draft, findings)?;
        let canonical = canonical::write(&draft);
        Ok(draft.sealed(canonical))
    }

    /// Reads a definition in the canonical form in which it was stored, and keeps its version: that
    /// belongs to the text, not to what this program would write.
    ///
    /// # Errors
    /// Everything in it that this program does not understand.
    pub fn from_canonical(canonical: &str) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Findings::new("stored definition", canonical);
        let json: Option<Json> = match RawValue::from_string(canonical.to_owned()) {
            Ok(json) => Some(json),
            Err(error) => {
                findings.add(Place::START, format!("it is not JSON: {error}"));
                None
            }
        };
        let tree = json.as_ref().and_then(|json| match serde_json::from_str(json.get()) {
            Ok(value) => Some(Node::of_json(value)),
            Err(error) => {
                findings.add(Place::START, format!("it cannot be read: {error}"));
                None
            }
        });
        let draft = tree.and_then(|tree| draft(&tree, &mut findings)).zip(json);
        let (draft, canonical) = checked(draft, findings)?;
        Ok(draft.sealed(canonical))
    }

    fn sealed(self, canonical: Json) -> Self {
        Self { hash: canonical::hash(&canonical), canonical, ..self }
    }
}

/// A value that nothing was found against.
fn checked<T>(value: Option<T>, findings: Findings<'_>) -> Result<T, Vec<Diagnostic>> {
    findings.into_result()?;
    Ok(value.expect("whatever keeps a value from being read is found"))
}

fn read_tree(text: &str, findings: &mut Findings<'_>) -> Option<Node> {
    let (bytes, max) = (text.len(), limits::DEFINITION_BYTES_MAX);
    if bytes > max {
        let message = format!("a definition has at most {max} bytes, and this has {bytes}");
        findings.add(Place::START, message);
        return None;
    }
    match Node::of_yaml(text) {
        Ok(tree) => Some(tree),
        Err(unreadable) => {
            findings.add(unreadable.place, unreadable.message);
            None
        }
    }
}

/// A definition that has no version yet.
fn draft(root: &Node, findings: &mut Findings<'_>) -> Option<Definition> {
    let fields = Fields::of(root, "a definition", &FIELDS, findings)?;
    let name = fields.require("saga", findings).and_then(|node| read::word(node, findings));
    let description = fields.read("description", findings, read::text).map(str::to_owned);
    let expose = fields.read("expose", findings, read_expose);
    let value = fields.read("value", findings, read_value);
    let deadline = fields
        .read("deadline", findings, |node, findings| read::duration(node, DEADLINE_MAX, findings));
    let input = fields.read("input", findings, Schema::parse);
    let steps = fields.require("steps", findings).and_then(|node| outlines(node, findings))?;
    let graph = Graph::read(&steps, findings);
    let read: Vec<_> = (0..steps.len())
        .map(|index| step::read(&Neighbours { steps: &steps, graph: &graph }, index, findings))
        .collect();
    let output = fields.read("output", findings, |node, findings| {
        let sight = |step: &Outline<'_>| match step.fields.get("output") {
            Some(_) => Sight::Readable,
            None => Sight::Undeclared,
        };
        let steps = steps.iter().map(|step| (step.label(), sight(step))).collect();
        Template::parse(node, &View { saga: Stage::Running, steps }, findings)
    });
    Some(Definition {
        name: name?,
        hash: String::new(),
        canonical: RawValue::NULL.to_owned(),
        description,
        expose,
        value,
        deadline,
        input,
        steps: read.into_iter().collect::<Option<_>>()?,
        output,
    })
}

fn read_expose(node: &Node, findings: &mut Findings<'_>) -> Option<Expose> {
    let fields = Fields::of(node, "`expose`", &["path", "key"], findings)?;
    let path = fields.require("path", findings).and_then(|node| read_path(node, findings));
    let key = read_early(&fields, "key", findings);
    Some(Expose { path: path?, key: key? })
}

fn read_path(node: &Node, findings: &mut Findings<'_>) -> Option<String> {
    let path = read::text(node, findings)?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let is_segment = |segment: &str| {
        !segment.is_empty() && !matches!(segment, "." | "..") && segment.chars().all(is_plain)
    };
    let segments = path.strip_prefix('/').map(|rest| rest.split('/'));
    let is_sound = segments.is_some_and(|mut segments| segments.all(is_segment));
    if !is_sound || path.len() > PATH_BYTES_MAX {
        let message = format!("`{path}` is not a path that can be exposed");
        let hint = "write it as `/orders`: letters, digits, `-`, `.`, `_` and `~` between slashes";
        findings.add_with_hint(node.place, message, hint);
        return None;
    }
    let is_below = |taken: &str| {
        path.strip_prefix(taken).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if let Some(taken) = PATHS_TAKEN.into_iter().find(|taken| is_below(taken)) {
        findings.add(node.place, format!("`{taken}` belongs to the API"));
        return None;
    }
    Some(path.to_owned())
}

fn read_value(node: &Node, findings: &mut Findings<'_>) -> Option<AtRisk> {
    let fields = Fields::of(node, "`value`", &["amount", "currency"], findings)?;
    let amount = read_early(&fields, "amount", findings);
    let currency = read_early(&fields, "currency", findings);
    Some(AtRisk { amount: amount?, currency: currency? })
}

/// An expression that is evaluated before there is a saga.
fn read_early(
    fields: &Fields<'_>,
    name: &str,
    findings: &mut Findings<'_>,
) -> Option<super::Expression> {
    let node = fields.require(name, findings)?;
    let view = View { saga: Stage::Before, steps: Vec::new() };
    template::bare_expression(node, &view, findings)
}

fn outlines<'t>(node: &'t Node, findings: &mut Findings<'_>) -> Option<Vec<Outline<'t>>> {
    let items = read::list(node, findings)?;
    if items.is_empty() || items.len() > limits::STEPS_MAX {
        let (count, max) = (items.len(), limits::STEPS_MAX);
        findings
            .add(node.place, format!("a definition has 1 to {max} steps, and this has {count}"));
        return None;
    }
    let outlines: Vec<_> = items.iter().map(|item| outline(item, findings)).collect();
    outlines.into_iter().collect()
}

fn outline<'t>(node: &'t Node, findings: &mut Findings<'_>) -> Option<Outline<'t>> {
    let fields = Fields::of(node, "a step", &step::FIELDS, findings)?;
    let name = fields.require("name", findings).and_then(|node| read::word(node, findings));
    let kind = fields.read("kind", findings, read::word).unwrap_or(StepKind::Compensatable);
    Some(Outline { fields, name, kind })
}
