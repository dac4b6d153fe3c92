//! What each participant must speak: the commands that it receives and the replies that it gives,
//! by what definitions say. In reading order: the contract; the `bodies` of messages, out of
//! schemas that are `embed`ded; their `envelope`; and the two forms in which it is written.

mod asyncapi;
mod bodies;
mod embed;
mod envelope;
mod json_schema;

use std::collections::BTreeMap;

use saga_protocol::{ParticipantName, Phase};
use serde_json::{Value, json};

use self::{
    bodies::{Bodies, Reader},
    embed::Shared,
};
use crate::definition::{Definition, Kind};

/// What participants must speak.
#[derive(Clone, Debug)]
pub struct Contract {
    /// Name and version of each definition.
    definitions: Vec<(String, String)>,
    participants: BTreeMap<ParticipantName, Spoken>,
    /// What schemas refer to.
    shared: Shared,
}

/// What one participant speaks: by phase and word.
type Spoken = BTreeMap<(Phase, String), Exchange>;

/// A command and its reply, as steps use it.
#[derive(Clone, Debug, Default)]
struct Exchange {
    /// `definition.step`, and what that brings.
    uses: Vec<(String, Bodies)>,
}

impl Contract {
    /// What these definitions ask of their participants.
    pub fn of<'d>(definitions: impl IntoIterator<Item = &'d Definition>) -> Self {
        let mut contract =
            Self { definitions: vec![], participants: BTreeMap::new(), shared: Shared::new() };
        for definition in definitions {
            let named = (definition.name.to_string(), definition.hash.clone());
            contract.definitions.push(named);
            for step in 0..definition.steps.len() {
                contract.take(definition, step);
            }
        }
        contract
    }

    /// Everybody in it.
    pub fn participants(&self) -> impl Iterator<Item = &ParticipantName> {
        self.participants.keys()
    }

    /// What concerns one participant only; `None` where no definition asks it anything.
    #[must_use]
    pub fn only(&self, participant: &ParticipantName) -> Option<Self> {
        let (name, spoken) = self.participants.get_key_value(participant)?;
        let participants = BTreeMap::from([(name.clone(), spoken.clone())]);
        let mut only = Self { participants, ..self.clone() };
        only.forget_unused();
        Some(only)
    }

    /// As one document of JSON Schemas: `{ participant: { actions: { name: { command, reply } },
    /// compensations, queries } }`.
    #[must_use]
    pub fn to_json_schema(&self) -> Value {
        json_schema::write(self)
    }

    /// As an `AsyncAPI` document, from the participants' side.
    #[must_use]
    pub fn to_asyncapi(&self) -> Value {
        asyncapi::write(self)
    }

    fn take(&mut self, definition: &Definition, step: usize) {
        let step = &definition.steps[step];
        let spoken = self.participants.entry(step.participant.clone()).or_default();
        let user = format!("{}.{}", definition.name, step.name);
        let mut put = |phase, word: &str, bodies| {
            let exchange = spoken.entry((phase, word.to_owned())).or_default();
            exchange.uses.push((user.clone(), bodies));
        };
        let mut reader = Reader { definition, step, shared: &mut self.shared };
        put(Phase::Action, &step.action, reader.action());
        if let Kind::Compensatable(Some(compensation)) = &step.kind {
            put(Phase::Compensation, &compensation.action, reader.compensation(compensation));
        }
        if let Some(query) = &step.query {
            put(Phase::Query, query, reader.query());
        }
    }

    /// Drops what nothing refers to.
    fn forget_unused(&mut self) {
        let mut used = Vec::new();
        for exchange in self.participants.values().flat_map(BTreeMap::values) {
            for (_, Bodies { command, reply }) in &exchange.uses {
                referred(command, &mut used);
                referred(reply, &mut used);
            }
        }
        let mut next = 0;
        while let Some(name) = used.get(next).cloned() {
            if let Some(schema) = self.shared.get(&name) {
                referred(schema, &mut used);
            }
            next += 1;
        }
        self.shared.retain(|name, _| used.contains(name));
    }
}

impl Exchange {
    /// The steps that use it.
    fn users(&self) -> Vec<&str> {
        self.uses.iter().map(|(user, _)| user.as_str()).collect()
    }

    fn command(&self) -> Value {
        self.any(|bodies| &bodies.command)
    }

    fn reply(&self) -> Value {
        self.any(|bodies| &bodies.reply)
    }

    /// What all uses agree on, or any of what they say.
    fn any(&self, of: impl Fn(&Bodies) -> &Value) -> Value {
        let mut distinct: Vec<(&Value, Vec<&str>)> = Vec::new();
        for (user, bodies) in &self.uses {
            let schema = of(bodies);
            match distinct.iter_mut().find(|(known, _)| *known == schema) {
                Some((_, users)) => users.push(user),
                None => distinct.push((schema, vec![user])),
            }
        }
        if let [(only, _)] = distinct.as_slice() {
            return (*only).clone();
        }
        let titled = distinct.into_iter().map(|(schema, users)| {
            let mut schema = schema.clone();
            if let Value::Object(fields) = &mut schema {
                fields.insert("title".to_owned(), users.join(", ").into());
            }
            schema
        });
        json!({ "anyOf": titled.collect::<Vec<_>>() })
    }
}

/// The names of what is shared that a schema refers to.
fn referred(schema: &Value, used: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            let reference = fields.get("$ref").and_then(Value::as_str);
            let name = reference.and_then(|reference| reference.strip_prefix("#/$defs/"));
            used.extend(
                name.filter(|name| !used.iter().any(|known| known == name)).map(str::to_owned),
            );
            fields.values().for_each(|value| referred(value, used));
        }
        Value::Array(items) => items.iter().for_each(|item| referred(item, used)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
