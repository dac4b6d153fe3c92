//! `saga simulate`: how every failure ends, and what is said of it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use crate::support::{Said, command, saga, saga_reading};

const ORDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../saga-defs/order.yaml");
const DOCUMENTATION: &str = include_str!("../../../../docs/definitions.md");
/// Completes only where it need not divide by zero.
const DIVIDED: &str = "\
saga: divided
input: { type: object, required: [by], properties: { by: { type: integer, minimum: 0 } } }
steps:
  - name: a
    participant: p
    action: do
    compensation: none
    when: 10 / input.by > 100
";
const JOURNEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/journey.yaml");

async fn simulate(file: &str, arguments: &[&str]) -> Said {
    let mut said = saga(&[&["simulate", file], arguments].concat()).await;
    said.stdout = said.stdout.replace(file, "FILE");
    said
}

#[tokio::test]
async fn every_failure_of_an_order_is_listed() {
    let said = simulate(ORDER, &["--no-pairs"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    insta::assert_snapshot!(format!("{}\n{}", said.stdout, said.stderr));
}

#[tokio::test]
async fn a_pivot_what_follows_it_branches_and_conditions_are_listed() {
    let said = simulate(JOURNEY, &["--no-pairs"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    insta::assert_snapshot!(format!("{}\n{}", said.stdout, said.stderr));
}

#[tokio::test]
async fn pairs_of_faults_are_counted_and_all_is_one_document() {
    let said = simulate(ORDER, &["--json"]).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    let items = told["items"].as_array().unwrap();
    assert_eq!(told["next"], Value::Null);
    assert!(items.iter().all(|run| run["is_otherwise"] == false));
    let of_refusals = items.iter().filter(|run| {
        let fault = &run["faults"][0];
        fault["fault"] == "refused" && fault["phase"] == "action"
    });
    assert_eq!(of_refusals.count(), 3);
    let definition = &told["definitions"][0];
    assert_eq!(definition["singles"]["runs"], items.len() - 1, "one run has no fault");
    let pairs = &definition["pairs"];
    assert!(pairs["tried"].as_u64() > Some(0), "{pairs}");
    assert_eq!(pairs["ends"]["otherwise"], 0);
}

#[tokio::test]
async fn an_input_that_does_not_fit_or_is_missing_is_no_answer() {
    let said = simulate(ORDER, &["--input", "/nowhere"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
    let said = simulate(ORDER, &["--input", ORDER]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("is not JSON"), "{said:?}");
    let said = saga(&["simulate", "/nowhere"]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("hint: `saga simulate` takes files"), "{said:?}");
}

#[tokio::test]
async fn an_input_that_was_given_and_completes_nothing_is_a_no() {
    let file = written("simulate-divided.yaml", DIVIDED);
    let input = |by: u32| format!("{{\"by\": {by}}}");
    let simulate = async |by| {
        let arguments = ["simulate", &file, "--input", "-", "--no-pairs"];
        saga_reading(&arguments, &input(by)).await
    };
    let said = simulate(0).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    let line = "with the input that was given the saga does not complete, though nothing goes \
                wrong: it is compensated (a: expression_failed)";
    assert!(said.stdout.lines().any(|told| told == line), "{said:?}");

    let said = simulate(2).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let line = "the condition of `a` was never true with the input that was given";
    assert!(said.stdout.lines().any(|told| told == line), "{said:?}");
    assert!(said.stdout.contains("0 runs with one fault: nothing can go wrong\n"), "{said:?}");

    let arguments = ["simulate", &file, "--input", "-", "--no-pairs", "--json"];
    let said = saga_reading(&arguments, &input(0)).await;
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(told["definitions"][0]["completes"], false, "{said:?}");
}

/// Both outputs may go to the same place: a table is not torn apart.
#[tokio::test]
async fn talk_comes_after_all_tables() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("simulate-both.txt");
    let both = fs::File::create(&path).unwrap();
    let mut command = command(&["simulate", ORDER, JOURNEY, "/nowhere", "--no-pairs"]);
    let status = command.stdout(both.try_clone().unwrap()).stderr(both).status().await.unwrap();
    assert_eq!(status.code(), Some(2));
    let text = fs::read_to_string(path).unwrap();
    let is_talk =
        |line: &&str| ["warning:", "error:", "hint:"].iter().any(|it| line.starts_with(it));
    let talk: Vec<_> = text.lines().skip_while(|line| !is_talk(line)).collect();
    assert!(talk.iter().all(is_talk), "{text}");
    assert_eq!(talk.iter().filter(|line| line.starts_with("warning:")).count(), 8, "{text}");
    assert_eq!(text.matches(" with one fault: ").count(), 2, "what can be read is played");
}

#[tokio::test]
async fn columns_and_fields_are_explained() {
    let help = saga(&["simulate", "--help"]).await.stdout;
    let table = simulate(JOURNEY, &["--no-pairs"]).await.stdout;
    let header = table.lines().nth(1).unwrap();
    for column in header.split("  ").map(str::trim).filter(|column| !column.is_empty()) {
        let column = column.split(',').next().unwrap();
        let is_told = |line: &str| line.trim_start().starts_with(&format!("{column}  "));
        assert!(help.lines().any(is_told), "`{column}` in\n{help}");
    }
    for code in ["pivot_sent", "overdue"] {
        assert!(help.contains(code) && table.contains(&format!("\n{code}: ")), "{code}");
    }

    let (_, sections) = DOCUMENTATION.split_once("### `saga check --json`").unwrap();
    let file = written("simulate-divided-told.yaml", DIVIDED);
    let said = saga(&["simulate", JOURNEY, &file, "/nowhere", "--json"]).await;
    let mut names = BTreeSet::new();
    fields(&serde_json::from_str(&said.stdout).unwrap(), &mut names);
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        let is_told = [format!("`{name}`"), format!("\"{name}\"")];
        let is_told = is_told.iter().any(|told| sections.contains(told));
        assert!(is_told, "`{name}` is not in docs/definitions.md");
    }
}

/// The names of all fields of a document, without what is an input of a saga.
fn fields(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(all) => {
            for (name, value) in all {
                names.insert(name.clone());
                if name != "input" {
                    fields(value, names);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| fields(item, names)),
        _ => {}
    }
}

#[tokio::test]
async fn what_cannot_be_played_keeps_nothing_else_from_it() {
    let huge = "saga: huge\ninput: { allOf: [{ $ref: '#' }, { $ref: '#' }], \
                anyOf: [{ $ref: '#' }, { $ref: '#' }] }\nsteps:\n  \
                - { name: a, participant: p, action: do, compensation: none }\n";
    let huge = written("simulate-huge.yaml", huge);
    let said = saga(&["simulate", &huge, ORDER, "--no-pairs", "--json"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("error: no input for saga `huge` could be made up"), "{said:?}");
    assert!(said.stderr.contains("hint: give one with `--input FILE`"), "{said:?}");
    let told: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(told["wrong"][0]["file"], huge.as_str());
    assert_eq!(told["definitions"][0]["definition"], "order");
}

#[tokio::test]
async fn the_standard_input_is_one_thing_only() {
    let said = saga_reading(&["simulate", "-", "--no-pairs"], DIVIDED).await;
    assert!(said.stdout.starts_with("divided (<stdin>)\n"), "{said:?}");
    let said = saga_reading(&["simulate", "-", "--input", "-"], DIVIDED).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
    let said = saga(&["simulate", ORDER, "--pairs", "--no-pairs"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
}

fn written(name: &str, text: &str) -> String {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, text).expect("the file can be written");
    file.display().to_string()
}

#[tokio::test]
async fn a_wrong_definition_is_not_played_and_its_mistakes_are_told() {
    let said = simulate(&written("simulate-wrong.yaml", "saga: wrong\nsteps: []\n"), &[]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.starts_with("FILE:2:8: error: "), "{said:?}");
}
