//! `saga graph`: a picture on the standard output or in a file, and nothing where there is none.

use std::{fs, path::PathBuf};

use crate::support::{saga, saga_reading};

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
async fn a_file_says_by_its_ending_what_it_is_written_in() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let draw = async |name: &str, arguments: &[&str]| {
        let file = folder.join(name);
        let _ = fs::remove_file(&file);
        let path = file.display().to_string();
        let said = saga(&[&["graph", ORDER, "--output", &path], arguments].concat()).await;
        (said, fs::read_to_string(file).ok())
    };
    for (name, begins) in [
        ("drawn.mmd", "flowchart LR\n"),
        ("drawn.mermaid", "flowchart LR\n"),
        ("drawn.dot", "digraph \"order\" {\n"),
        ("drawn.gv", "digraph \"order\" {\n"),
        ("drawn.SVG", "<svg xmlns="),
    ] {
        let (said, text) = draw(name, &[]).await;
        assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
        assert!(text.unwrap().starts_with(begins), "{name}");
    }
    let (said, text) = draw("drawn.md", &["--format", "mermaid"]).await;
    assert!(text.is_some_and(|text| text.starts_with("flowchart LR\n")), "{said:?}");
    for (name, arguments, why) in [
        ("drawn.dot", vec!["--format", "svg"], "ends as dot does, and `--format` is svg"),
        ("drawn.png", vec![], "hint: name it with `--format`, or end the file's name with"),
        ("drawn", vec![], "nothing says what"),
    ] {
        let (said, text) = draw(name, &arguments).await;
        assert_eq!((said.code, text), (Some(2), None), "{name}");
        assert!(said.stderr.contains(why), "{said:?}");
    }
}

#[tokio::test]
async fn the_standard_input_can_be_drawn() {
    let said = saga_reading(&["graph", "-"], &fs::read_to_string(ORDER).unwrap()).await;
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    assert_eq!(said.stdout, saga(&["graph", ORDER]).await.stdout);
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
