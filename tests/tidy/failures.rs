//! `docs/failures.md` against the tests: what is said to be shown is shown by a test that is there.

use std::collections::{BTreeMap, BTreeSet};

use crate::{files, none};

const MATRIX: &str = "docs/failures.md";

/// A row of the matrix: the failure's id, and the tests that show what happens.
struct Row {
    at: usize,
    id: String,
    tests: Vec<String>,
}

/// The rows of all tables whose last column is headed `shown by`.
fn rows(text: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut is_matrix = false;
    for (at, line) in text.lines().enumerate() {
        let cells: Vec<_> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        match cells.as_slice() {
            _ if !line.trim_start().starts_with('|') => is_matrix = false,
            [.., last] if *last == "shown by" => is_matrix = true,
            [id, .., last] if is_matrix && !id.starts_with("---") => {
                let tests = last.split('`').skip(1).step_by(2).map(str::to_owned).collect();
                rows.push(Row { at, id: (*id).to_owned(), tests });
            }
            _ => {}
        }
    }
    rows
}

/// Every test in the repository as `path::name`. The promises of a contract suite stand in its
/// `main.rs`, which has each run on every adapter; a participant's tests on both databases stand in
/// the `on_both!` of their file.
fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for file in files::rust() {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let suite = match folder.ends_with("tests/contract") {
            true => files::read(&format!("{folder}/main.rs")),
            false => between(&file.text, "\non_both! {", "}").to_owned(),
        };
        let promises: BTreeSet<_> =
            suite.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
        let mut is_test = false;
        for line in file.text.lines().map(str::trim) {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            let line = line.trim_start_matches("pub(crate) ").trim_start_matches("async ");
            let signature = line.strip_prefix("fn ");
            if let Some(name) = signature.and_then(|rest| rest.split(['(', '<']).next())
                && (std::mem::take(&mut is_test) || promises.contains(name))
            {
                known.insert(format!("{}::{name}", file.path));
            }
        }
    }
    known
}

/// What stands between the first `begin` and the `end` after it.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    text.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(text, _)| text)
}

#[test]
fn every_failure_names_a_test_that_is_there() {
    let (rows, known) = (rows(&files::read(MATRIX)), known());
    let mut found = Vec::new();
    let mut seen = BTreeMap::new();
    for Row { at, id, tests } in &rows {
        let place = format!("{MATRIX}:{}: {id}", at + 1);
        if tests.is_empty() {
            found.push(format!("{place} names no test"));
        }
        let missing = tests.iter().filter(|test| !known.contains(*test));
        found.extend(missing.map(|test| format!("{place}: there is no test `{test}`")));
        if let Some(first) = seen.insert(id, at) {
            found.push(format!("{place} stands in line {} too", first + 1));
        }
    }
    assert!(rows.len() > 80, "only {} rows are read: is their last column `shown by`?", rows.len());
    none(&found);
}

#[test]
fn a_row_is_read_with_its_tests() {
    let text = "| id | failure | shown by |\n| --- | --- | --- |\n\
        | A1 | x | `a.rs::b`, `c.rs::d` |\n\n| no | matrix |\n| A2 | x |";
    let rows = rows(text);
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].id.as_str(), rows[0].tests.join(" ")), ("A1", "a.rs::b c.rs::d".into()));
}
