//! Exchanges: which queues a message goes to. Pure.

use std::collections::{BTreeMap, BTreeSet};

use saga_protocol::topology::{self, ExchangeKind};

/// All exchanges with their bindings.
#[derive(Default)]
pub(super) struct Exchanges(BTreeMap<&'static str, Exchange>);

struct Exchange {
    kind: ExchangeKind,
    /// The queues by the key they are bound with.
    bindings: BTreeMap<String, BTreeSet<String>>,
}

impl Exchanges {
    /// Declares the exchanges of the topology. Idempotent.
    pub(super) fn declare(&mut self) {
        for topology::Exchange { name, kind } in topology::exchanges() {
            self.0.entry(name).or_insert(Exchange { kind, bindings: BTreeMap::new() });
        }
    }

    /// Binds a queue. Idempotent; to an exchange that is not declared it does nothing.
    pub(super) fn bind(&mut self, queue: &topology::Queue) {
        let (exchange, key) = &queue.binding;
        if let Some(exchange) = self.0.get_mut(exchange) {
            exchange.bindings.entry(key.clone()).or_default().insert(queue.name.clone());
        }
    }

    /// Removes all bindings of a queue.
    pub(super) fn unbind(&mut self, queue: &str) {
        for exchange in self.0.values_mut() {
            exchange.bindings.retain(|_, queues| {
                queues.remove(queue);
                !queues.is_empty()
            });
        }
    }

    /// The queues a message goes to, each once. An exchange that is not declared leads nowhere.
    pub(super) fn route(&self, exchange: &str, key: &str) -> BTreeSet<&String> {
        let Some(exchange) = self.0.get(exchange) else { return BTreeSet::new() };
        let bindings = &exchange.bindings;
        match exchange.kind {
            ExchangeKind::Direct => bindings.get(key).into_iter().flatten().collect(),
            ExchangeKind::Fanout => bindings.values().flatten().collect(),
            ExchangeKind::Topic => {
                let matching = bindings.iter().filter(|(pattern, _)| matches(pattern, key));
                matching.flat_map(|(_, queues)| queues).collect()
            }
        }
    }
}

/// Whether a key matches a topic's pattern: `*` stands for one word, `#` for any number of them.
fn matches(pattern: &str, key: &str) -> bool {
    pattern == "#" || words_match(&words(pattern), &words(key))
}

fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

fn words_match(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, _) => key.is_empty(),
        (Some((&"#", rest)), None) => words_match(rest, key),
        (Some((&"#", rest)), Some((_, later))) => {
            words_match(rest, key) || words_match(pattern, later)
        }
        (Some(_), None) => false,
        (Some((word, rest)), Some((first, later))) => {
            (*word == "*" || word == first) && words_match(rest, later)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_match_word_by_word() {
        for (pattern, matching, others) in [
            ("#", ["", "a", "a.b"].as_slice(), [].as_slice()),
            ("a", &["a"], &["", "b", "a.b"]),
            ("reply.*", &["reply.a", "reply."], &["reply", "reply.a.b", "a.reply"]),
            ("a.#.z", &["a.z", "a.b.z", "a.b.c.z", "a.z.z"], &["a", "z", "a.b"]),
            ("*.#", &["a", "a.b"], &[""]),
        ] {
            matching.iter().for_each(|key| assert!(matches(pattern, key), "{pattern} {key}"));
            others.iter().for_each(|key| assert!(!matches(pattern, key), "{pattern} {key}"));
        }
    }
}
