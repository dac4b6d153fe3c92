//! `saga contract`: one document of all definitions, or of one participant.

use serde_json::Value;

use crate::support::{saga, saga_reading};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../saga-defs");

#[tokio::test]
async fn the_contract_of_a_folder_is_one_document() {
    let said = saga(&["contract", FOLDER]).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    for (participant, action) in
        [("payment", "charge"), ("inventory", "reserve"), ("shipping", "schedule")]
    {
        assert!(document[participant]["actions"][action]["command"].is_object(), "{document:#}");
    }
}

#[tokio::test]
async fn one_participant_can_be_asked_for_in_asyncapi() {
    let arguments = ["--format", "asyncapi", "--participant", "payment"];
    let said = saga(&[&["contract", FOLDER], &arguments[..]].concat()).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let document: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(document["asyncapi"], "3.0.0");
    let channels: Vec<_> = document["channels"].as_object().unwrap().keys().collect();
    assert_eq!(channels, ["payment.commands", "payment.replies"]);
}

#[tokio::test]
async fn what_has_no_contract_is_said() {
    let said = saga(&["contract", FOLDER, "--participant", "nobody"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(said.stderr.contains("there are `inventory`, `payment`, `shipping`"), "{said:?}");
    let said = saga_reading(&["contract", "/nowhere", "-"], "saga: wrong\n").await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
    for told in ["cannot read `/nowhere`", "<stdin>:1:1: error: "] {
        assert!(said.stderr.contains(told), "{said:?}");
    }
}

#[tokio::test]
async fn the_standard_input_can_be_one_of_the_definitions() {
    let order = std::fs::read_to_string(format!("{FOLDER}/order.yaml")).unwrap();
    let said = saga_reading(&["contract", "-"], &order).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let file = saga(&["contract", &format!("{FOLDER}/order.yaml")]).await;
    assert_eq!(said.stdout, file.stdout);
}
