//! Definitions in short: one text per step, with whatever is not the same for all steps.

use saga_core::Definition;
use saga_protocol::Json;
use serde_json::value::RawValue;

/// How a definition is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// One step each, named `a`, `b` and so on: fields of a flow mapping in YAML, without braces.
    /// A step that says nothing of its compensation has one, as far as its kind allows.
    pub(crate) steps: &'static [&'static str],
    /// Attempts of each action.
    pub(crate) attempts: u32,
    /// Attempts of each compensation.
    pub(crate) undo_attempts: u32,
    /// When the saga turns back, where it does.
    pub(crate) deadline: Option<&'static str>,
}

impl Plan {
    /// With two attempts of everything.
    pub(crate) const fn of(steps: &'static [&'static str]) -> Self {
        Self { steps, attempts: 2, undo_attempts: 2, deadline: None }
    }

    /// With so many attempts of each action and each compensation.
    pub(crate) const fn attempts(self, attempts: u32, undo_attempts: u32) -> Self {
        Self { attempts, undo_attempts, ..self }
    }

    /// With a deadline.
    pub(crate) const fn deadline(self, deadline: &'static str) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// The definition.
    pub(crate) fn define(&self) -> Definition {
        let mut text = "saga: plan\n".to_owned();
        if let Some(deadline) = self.deadline {
            text += &format!("deadline: {deadline}\n");
        }
        text += "steps:\n";
        for (step, (name, own)) in ('a'..).zip(self.steps).enumerate() {
            text += &format!("  - {{ {} }}\n", self.fields(step, name, own).join(", "));
        }
        Definition::parse("plan.yaml", &text).unwrap_or_else(|diagnostics| {
            let told: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
            panic!("{text}\n{}", told.join("\n"))
        })
    }

    /// Timeouts differ, so that they pass one after the other; waits count as no time beside them.
    fn fields(&self, step: usize, name: char, own: &str) -> Vec<String> {
        let retry = |attempts| format!("{{ attempts: {attempts}, initial: 1ms, max: 1ms }}");
        let mut fields = vec![
            format!("name: {name}, participant: of-{name}, action: do"),
            format!("timeout: {}s, retry: {}", step + 1, retry(self.attempts)),
        ];
        if !own.contains("input:") {
            fields.push("input: { n: '${input.n}' }".to_owned());
        }
        if !own.contains("kind:") && !own.contains("compensation: none") {
            let retry = retry(self.undo_attempts);
            fields.push(format!("compensation: undo, compensation_retry: {retry}"));
        }
        fields.extend((!own.is_empty()).then(|| own.to_owned()));
        fields
    }
}

/// The input of every saga.
pub(crate) fn input() -> Json {
    json(r#"{"n":1}"#)
}

/// The output of every action.
pub(crate) fn output() -> Json {
    json(r#"{"id":7}"#)
}

/// Raw JSON.
pub(crate) fn json(text: &str) -> Json {
    RawValue::from_string(text.to_owned()).expect("it is JSON")
}
