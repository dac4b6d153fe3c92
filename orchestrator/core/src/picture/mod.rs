//! A definition as a picture: its steps, the way forward and the way back. In reading order: what
//! is drawn (`Picture`); two forms that others lay out (`mermaid`, `dot`); one that is laid out
//! here, `svg`, with its `layout` (`order` and places of what is drawn) and its look (`style`).

mod dot;
mod layout;
mod mermaid;
mod order;
mod style;
mod svg;
#[cfg(test)]
mod tests;
mod text;

use saga_protocol::StepKind;

use crate::definition::{Definition, Kind, Step};

/// What there is to draw of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// The definition's name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its steps, in the order of the file.
    pub nodes: Vec<Node>,
    /// From what is needed to what needs it, without those that follow from others.
    pub forward: Vec<Edge>,
    /// The compensation walk: what is undone, or passed over, before what. It begins wherever the
    /// saga turns back, and never behind the pivot.
    pub backward: Vec<Edge>,
    /// The point of no return, by position.
    pub pivot: Option<usize>,
}

/// A step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `participant.action`.
    pub action: String,
    /// `participant.compensation`, where something undoes it.
    pub compensation: Option<String>,
    /// What it is to its saga.
    pub kind: StepKind,
    /// When it runs, where that is not always.
    pub condition: Option<String>,
    /// `participant.query`, where it has one.
    pub query: Option<String>,
}

/// From one step to another, by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Where it begins.
    pub from: usize,
    /// Where its arrow is.
    pub to: usize,
}

impl Picture {
    /// What there is to draw.
    #[must_use]
    pub fn of(definition: &Definition) -> Self {
        let nodes: Vec<_> = definition.steps.iter().map(Node::of).collect();
        let forward = forward(&definition.steps);
        let can_turn_back = |edge: &&Edge| nodes[edge.from].kind == StepKind::Compensatable;
        let back = forward
            .iter()
            .rev()
            .filter(|edge| can_turn_back(edge) && nodes[edge.to].kind != StepKind::Retriable);
        let backward = back.map(|edge| Edge { from: edge.to, to: edge.from }).collect();
        let pivot = nodes.iter().position(|node| node.kind == StepKind::Pivot);
        Self {
            name: definition.name.to_string(),
            description: definition.description.clone(),
            nodes,
            forward,
            backward,
            pivot,
        }
    }

    /// As a flowchart in Mermaid, which GitHub, GitLab and many editors draw within Markdown.
    #[must_use]
    pub fn to_mermaid(&self) -> String {
        mermaid::write(self)
    }

    /// In the language of Graphviz.
    #[must_use]
    pub fn to_dot(&self) -> String {
        dot::write(self)
    }

    /// As an image: one document, without scripts, fonts or anything else from outside; the same
    /// definition always gives the same bytes.
    #[must_use]
    pub fn to_svg(&self) -> String {
        svg::write(self)
    }
}

impl Node {
    fn of(step: &Step) -> Self {
        let of_participant = |word: &str| format!("{}.{word}", step.participant);
        let compensation = match &step.kind {
            Kind::Compensatable(compensation) => compensation.as_ref(),
            Kind::Pivot | Kind::Retriable => None,
        };
        Self {
            name: step.name.to_string(),
            action: of_participant(&step.action),
            compensation: compensation.map(|undo| of_participant(&undo.action)),
            kind: step.kind.word(),
            condition: step.when.as_ref().map(|when| when.source().to_owned()),
            query: step.query.as_deref().map(of_participant),
        }
    }

    /// What becomes of it on the way back.
    fn way_back(&self) -> String {
        match (self.kind, &self.compensation) {
            (StepKind::Compensatable, Some(compensation)) => format!("undo: {compensation}"),
            (StepKind::Compensatable, None) => "nothing to undo".to_owned(),
            (StepKind::Pivot, _) => "point of no return".to_owned(),
            (StepKind::Retriable, _) => "only forward".to_owned(),
        }
    }
}

/// What each step needs, less what follows from the rest of it.
fn forward(steps: &[Step]) -> Vec<Edge> {
    let mut before: Vec<Option<Vec<bool>>> = vec![None; steps.len()];
    for step in 0..steps.len() {
        ancestors(steps, step, &mut before);
    }
    let is_before =
        |earlier: usize, later: usize| before[later].as_ref().is_some_and(|before| before[earlier]);
    let needs = |step: usize| {
        let all = &steps[step].needs;
        let is_direct = move |need: &&usize| !all.iter().any(|&other| is_before(**need, other));
        all.iter().filter(is_direct).map(move |&from| Edge { from, to: step })
    };
    let mut edges: Vec<_> = (0..steps.len()).flat_map(needs).collect();
    edges.sort_unstable();
    edges
}

/// Everything before a step, through whatever many; definitions have no circles, and few steps.
fn ancestors(steps: &[Step], step: usize, before: &mut Vec<Option<Vec<bool>>>) -> Vec<bool> {
    if let Some(known) = &before[step] {
        return known.clone();
    }
    let mut all = vec![false; steps.len()];
    for &need in &steps[step].needs {
        all[need] = true;
        let further = ancestors(steps, need, before);
        all.iter_mut().zip(further).for_each(|(all, further)| *all |= further);
    }
    before[step] = Some(all.clone());
    all
}
