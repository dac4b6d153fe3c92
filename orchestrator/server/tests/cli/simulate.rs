//! `saga simulate`: how every failure ends, and what is said of it.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::support::{Said, saga};

const ORDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../saga-defs/order.yaml");
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
async fn a_wrong_definition_is_not_played_and_its_mistakes_are_told() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("simulate-wrong.yaml");
    fs::write(&file, "saga: wrong\nsteps: []\n").expect("the file can be written");
    let said = simulate(&file.display().to_string(), &[]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.starts_with("FILE:2:8: error: "), "{said:?}");
}
