//! `saga graph`: a picture on the standard output or in a file, and nothing where there is none.

use std::{fs, path::PathBuf};

use crate::support::saga;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../saga-defs");
const ORDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../saga-defs/order.yaml");

#[tokio::test]
async fn a_definition_is_drawn_in_each_format() {
    let formats: [(&[&str], _); 4] = [
        (&[], "flowchart LR\n"),
        (&["--format", "mermaid"], "flowchart LR\n"),
        (&["--format", "dot"], "digraph \"order\" {\n"),
        (&["--format", "svg"], "<svg xmlns="),
    ];
    for (arguments, begins) in formats {
        let said = saga(&[&["graph", ORDER], arguments].concat()).await;
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
        assert!(said.stdout.starts_with(begins), "{said:?}");
    }
}

#[tokio::test]
async fn a_picture_can_go_into_a_file() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("order.svg");
    let path = file.display().to_string();
    let said = saga(&["graph", ORDER, "--format", "svg", "--output", &path]).await;
    assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (Some(0), "", ""));
    let printed = saga(&["graph", ORDER, "--format", "svg"]).await.stdout;
    assert_eq!(fs::read_to_string(file).unwrap(), printed);
    let said = saga(&["graph", ORDER, "--output", "/nowhere/order.mmd"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
}

#[tokio::test]
async fn what_is_no_definition_is_not_drawn() {
    let wrong = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("undrawn.yaml");
    fs::write(&wrong, "saga: undrawn\n").unwrap();
    let said = saga(&["graph", &wrong.display().to_string()]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(1), ""));
    assert!(said.stderr.contains("undrawn.yaml:1:1: error: "), "{said:?}");
    let said = saga(&["graph", "/nowhere"]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
    let said = saga(&["graph", FOLDER]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(2), ""));
    assert!(said.stderr.contains("draws one definition: name its file"), "{said:?}");
}

/// The pictures of the documentation are those that are drawn.
#[tokio::test]
async fn the_documentation_shows_what_is_drawn() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let text = fs::read_to_string(format!("{root}/docs/definitions.md")).unwrap();
    let mut shown = 0;
    for part in text.split("<!-- saga graph ").skip(1) {
        let (path, rest) = part.split_once(" -->\n```mermaid\n").expect("a picture follows");
        let (picture, _) = rest.split_once("```").expect("it ends");
        let said = saga(&["graph", &format!("{root}/{path}")]).await;
        assert!(said.stdout == picture, "draw `saga graph {path}` anew:\n{}", said.stdout);
        shown += 1;
    }
    assert_eq!(shown, 3);
}
