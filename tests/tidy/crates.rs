//! Which crates, and under which licences. `deny.toml` says it, for cargo-deny where that is
//! installed; these tests hold the same file against what we build, wherever they run.

use std::collections::{BTreeMap, BTreeSet};

use crate::{files, none, walls::cargo};

/// Every crate we build, for this machine: name, and licence where it is not ours.
fn crates() -> BTreeMap<String, String> {
    let lines = cargo(&[
        "tree",
        "--workspace",
        "-e",
        "normal,build,dev",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
    ]);
    let parse = |line: &str| {
        let (package, licence) = line.trim_end_matches(" (*)").split_once('|')?;
        Some((package.split(' ').next()?.to_owned(), licence.to_owned()))
    };
    let crates: BTreeMap<_, _> = lines.lines().filter_map(parse).collect();
    assert!(crates.len() > 200, "only {} crates were seen", crates.len());
    crates
}

#[test]
fn no_banned_crate_is_built() {
    let crates = crates();
    let bans = bans();
    assert!(bans.len() > 10, "`deny.toml` bans one crate a line: {bans:?}");
    let found = bans.iter().filter(|(name, _)| crates.contains_key(*name));
    none(&found.map(|(name, reason)| format!("`{name}`: {reason}")).collect::<Vec<_>>());
}

/// The lines `{ crate = "name", reason = "why" },`.
fn bans() -> BTreeMap<String, String> {
    let deny = files::read("deny.toml");
    let parse = |line: &str| {
        let (name, reason) =
            line.trim().strip_prefix("{ crate = \"")?.split_once("\", reason = \"")?;
        Some((name.to_owned(), reason.split('"').next()?.to_owned()))
    };
    deny.lines().filter_map(parse).collect()
}

#[test]
fn every_licence_is_one_that_we_accept() {
    let accepted = accepted();
    assert!(accepted.contains("MIT") && accepted.len() < 20, "{accepted:?}");
    let mut found = Vec::new();
    let mut used = BTreeSet::new();
    for (name, licence) in crates().iter().filter(|(_, licence)| !licence.is_empty()) {
        if !Expression::new(licence, &accepted, &mut used).holds() {
            found.push(format!("`{name}` is under `{licence}`: find another, or ask for leave"));
        }
    }
    none(&found);
    let unused: Vec<_> = accepted.difference(&used).collect();
    assert!(unused.is_empty(), "nobody needs {unused:?}: take them out of `deny.toml`");
}

/// What stands between `allow = [` and `]`.
fn accepted() -> BTreeSet<String> {
    let deny = files::read("deny.toml");
    let (_, rest) = deny.split_once("\nallow = [").expect("`deny.toml` allows licences");
    let list = rest.split(']').next().unwrap_or_default();
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// An SPDX expression being read: alternatives of conjunctions, with parentheses.
struct Expression<'a> {
    words: std::vec::IntoIter<String>,
    accepted: &'a BTreeSet<String>,
    used: &'a mut BTreeSet<String>,
}

impl<'a> Expression<'a> {
    fn new(text: &str, accepted: &'a BTreeSet<String>, used: &'a mut BTreeSet<String>) -> Self {
        // Older crates write `MIT/Apache-2.0`. A licence with an exception is one of its own.
        let text = text.replace('/', " OR ").replace(" WITH ", "_WITH_");
        let text = text.replace('(', " ( ").replace(')', " ) ");
        let words: Vec<_> = text.split_whitespace().map(str::to_owned).collect();
        Self { words: words.into_iter(), accepted, used }
    }

    /// Whether it can be met with what is accepted. Stops at the parenthesis that closes it.
    fn holds(mut self) -> bool {
        self.alternatives()
    }

    fn alternatives(&mut self) -> bool {
        let (mut any, mut all) = (false, true);
        while let Some(word) = self.words.next() {
            match word.as_str() {
                ")" => break,
                "OR" => any |= std::mem::replace(&mut all, true),
                "AND" => {}
                "(" => all &= self.alternatives(),
                licence => all &= self.accepts(&licence.replace("_WITH_", " WITH ")),
            }
        }
        any | all
    }

    fn accepts(&mut self, licence: &str) -> bool {
        let accepted = self.accepted.contains(licence);
        if accepted {
            self.used.insert(licence.to_owned());
        }
        accepted
    }
}

#[test]
fn licences_are_read_as_they_are_meant() {
    let accepted = ["MIT", "ISC"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT/GPL-3.0", true),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("ISC AND (GPL-3.0 OR MIT)", true),
        ("(MIT OR ISC) AND GPL-3.0", false),
        ("MIT WITH LLVM-exception", false),
        ("MIT WITH LLVM-exception OR ISC", true),
    ] {
        let mut used = BTreeSet::new();
        assert_eq!(Expression::new(expression, &accepted, &mut used).holds(), expected);
    }
}
