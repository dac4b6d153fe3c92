//! From a file to a checked definition: the entrance, and what stands at the top of a file.

use saga_protocol::{Json, StepKind, StepName, limits};
use serde_json::value::RawValue;

use super::{
    Definition, Diagnostic, Schema, Template, canonical,
    diagnostic::Findings,
    dialect,
    format::{
        DEADLINE_MAX, DEFINITION, EXPOSE, PATH_BYTES_MAX, PATHS_TAKEN, STEP, STEP_KINDS, VALUE,
    },
    graph::{Graph, Outline},
    model::{AtRisk, Expose},
    nearest::did_you_mean,
    read::{self, Fields},
    scope::{Sight, Stage, View},
    step::{self, Neighbours},
    template, times,
    tree::{Node, Place},
    types::{Declared, Typing, Wants},
};

impl Definition {
    /// Reads and checks the text of a file, YAML or JSON.
    ///
    /// # Errors
    /// Everything that is wrong with it; only a text that is no YAML at all hides what else there
    /// is.
    pub fn parse(file_name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut findings = Findings::new(file_name, text);
        let draft = read_tree(text, &mut findings)
            .and_then(|tree| draft(&tree, Origin::File, &mut findings));
        let (draft, warnings) = checked(draft, findings)?;
        let canonical = canonical::write(&draft);
        Ok(Self { warnings, ..draft.sealed(canonical) })
    }

    /// Reads a definition in the canonical form in which it was stored, and keeps its version: that
    /// belongs to the text, not to what this program would write.
    ///
    /// # Errors
    /// Everything in it that this program does not understand.
    pub fn from_canonical(canonical: &str) -> Result<Self, Vec<Diagnostic>> {
        let mut findings = Findings::of_stored(canonical);
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
        let draft = tree.and_then(|tree| draft(&tree, Origin::Stored, &mut findings)).zip(json);
        let ((draft, canonical), _) = checked(draft, findings)?;
        Ok(draft.sealed(canonical))
    }

    fn sealed(self, canonical: Json) -> Self {
        Self { hash: canonical::hash(&canonical), canonical, ..self }
    }
}

/// Where a definition comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Its author can mend it: whatever cannot be proven is told.
    File,
    /// Sagas run by it: whatever can be run is taken.
    Stored,
}

/// A value that no more than the warnings was found against.
fn checked<T>(
    value: Option<T>,
    findings: Findings<'_>,
) -> Result<(T, Vec<Diagnostic>), Vec<Diagnostic>> {
    let warnings = findings.into_result()?;
    Ok((value.expect("whatever keeps a value from being read is found"), warnings))
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
            let hint = unreadable.hint.map(str::to_owned);
            findings.push(unreadable.place, unreadable.message, hint);
            None
        }
    }
}

/// A definition that has no version yet.
fn draft(root: &Node, origin: Origin, findings: &mut Findings<'_>) -> Option<Definition> {
    let fields = Fields::of(root, &DEFINITION, findings)?;
    let name = fields.read("saga", findings, read::word);
    let description = fields.read("description", findings, read::text).map(str::to_owned);
    let is_proven = origin == Origin::File;
    let before = Declared::of(&fields, &[]);
    let view = View {
        saga: Stage::Before,
        steps: Vec::new(),
        are_named: true,
        typing: is_proven.then(|| Typing::new(&before)),
    };
    let expose = fields.read("expose", findings, |node, f| read_expose(node, &view, f));
    let value = fields.read("value", findings, |node, f| read_value(node, &view, f));
    let deadline = fields
        .read("deadline", findings, |node, findings| read::duration(node, DEADLINE_MAX, findings));
    let input = fields.read("input", findings, |node, findings| match is_proven {
        true => dialect::parse(node, findings),
        false => Schema::parse(node, findings),
    });
    let steps = fields.read("steps", findings, outlines)?;
    let graph = Graph::read(&steps, findings);
    let declared = Declared::of(&fields, &steps);
    let typing = is_proven.then(|| Typing::new(&declared));
    let around = Neighbours { steps: &steps, graph: &graph, typing: typing.as_ref() };
    let read: Vec<_> = (0..steps.len()).map(|index| step::read(&around, index, findings)).collect();
    if is_proven && graph.has_way() {
        times::check(&fields, deadline, &steps, &read, &graph, findings);
    }
    let output = fields.read("output", findings, |node, findings| {
        Template::parse(node, &view_of_whole(&steps, typing.clone()), findings)
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
        warnings: Vec::new(),
    })
}

/// What the saga's output may read: every step is completed or skipped.
fn view_of_whole<'a>(steps: &'a [Outline<'_>], typing: Option<Typing<'a>>) -> View<'a> {
    let sight = |step: &Outline<'_>| match step.fields.get("output") {
        Some(_) => Sight::Readable,
        None => Sight::Undeclared,
    };
    let are_named = steps.iter().all(|step| step.name.is_some());
    let steps = steps.iter().map(|step| (step.label(), sight(step))).collect();
    View { saga: Stage::Running, steps, are_named, typing }
}

fn read_expose(node: &Node, view: &View<'_>, findings: &mut Findings<'_>) -> Option<Expose> {
    let fields = Fields::of(node, &EXPOSE, findings)?;
    let path = fields.read("path", findings, read_path);
    let key = fields.read("key", findings, |node, findings| {
        template::bare_expression(node, view, Wants::Key, findings)
    });
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
        let hint = "expose another path, such as `/orders`";
        findings.add_with_hint(node.place, format!("`{taken}` belongs to the API"), hint);
        return None;
    }
    Some(path.to_owned())
}

fn read_value(node: &Node, view: &View<'_>, findings: &mut Findings<'_>) -> Option<AtRisk> {
    let fields = Fields::of(node, &VALUE, findings)?;
    let amount = fields.read("amount", findings, |node, findings| {
        template::bare_expression(node, view, Wants::Amount, findings)
    });
    let currency = fields.read("currency", findings, |node, findings| {
        template::bare_expression(node, view, Wants::Currency, findings)
    });
    Some(AtRisk { amount: amount?, currency: currency? })
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
    let fields = Fields::of(node, &STEP, findings)?;
    let name = fields.read("name", findings, read_step_name);
    let kind = match fields.get("kind") {
        Some(node) => read_kind(node, findings),
        None => Some(StepKind::Compensatable),
    };
    Some(Outline { fields, name, kind })
}

fn read_step_name(node: &Node, findings: &mut Findings<'_>) -> Option<StepName> {
    let name = read::text(node, findings)?;
    match StepName::new(name) {
        Ok(name) => Some(name),
        Err(error) => {
            let mended = name.to_ascii_lowercase().replace(['-', ' ', '.'], "_");
            let hint = StepName::new(&mended).is_ok().then(|| format!("did you mean `{mended}`?"));
            findings.push(node.place, error.to_string(), hint);
            None
        }
    }
}

fn read_kind(node: &Node, findings: &mut Findings<'_>) -> Option<StepKind> {
    let kind = read::text(node, findings)?;
    match kind.parse() {
        Ok(kind) => Some(kind),
        Err(kinds) => {
            let hint = did_you_mean(kind, STEP_KINDS.map(StepKind::as_str));
            findings.push(node.place, format!("`{kind}` is no kind of steps: {kinds}"), hint);
            None
        }
    }
}
