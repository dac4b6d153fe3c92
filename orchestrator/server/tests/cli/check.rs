//! `saga check`: what is right, what is wrong and where, what does not go together.

use std::{fs, path::PathBuf};

use serde_json::Value;

use crate::support::{Said, saga, saga_reading};

const RIGHT: &str = "\
saga: parcel
expose: { path: /parcels, key: input.id }
input: { type: object, required: [id], properties: { id: { type: string } } }
steps:
  - name: shipping
    participant: shipping
    action: schedule
    compensation: cancel
";

/// A folder with these files, of its own for each test.
fn folder(test: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("check-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("the folder can be made");
    for (name, text) in files {
        fs::write(folder.join(name), text).expect("the file can be written");
    }
    folder
}

async fn check(test: &str, files: &[(&str, &str)], arguments: &[&str]) -> Said {
    let folder = folder(test, files).display().to_string();
    let mut said = saga(&[&["check", &folder], arguments].concat()).await;
    said.stdout = said.stdout.replace(&folder, "FOLDER");
    said.stderr = said.stderr.replace(&folder, "FOLDER");
    said
}

#[tokio::test]
async fn what_is_right_is_said_to_be() {
    let said = check("right", &[("a.yaml", RIGHT)], &[]).await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), ""));
    assert_eq!(said.stderr, "1 definition checked, nothing wrong\n");
}

#[tokio::test]
async fn what_is_wrong_is_named_with_its_place_and_the_way_out() {
    let wrong = RIGHT.replace("compensation: cancel", "compensatoin: cancel");
    let files = [("right.yaml", RIGHT), ("wrong.yaml", wrong.as_str())];
    let said = check("wrong", &files, &[]).await;
    assert_eq!(said.code, Some(1), "{said:?}");
    insta::assert_snapshot!(said.stdout, @"
    FOLDER/wrong.yaml:5:5: error: a compensatable step needs a field `compensation`
      |
    5 |   - name: shipping
      |     ^
    hint: name the action that undoes it; `compensation: none` says that nothing does
    FOLDER/wrong.yaml:8:5: error: a step has no field `compensatoin`
      |
    8 |     compensatoin: cancel
      |     ^
    hint: did you mean `compensation`?
    ");
    insta::assert_snapshot!(said.stderr, @"2 definitions checked, 2 errors");

    let said = check("wrong-json", &files, &["--json"]).await;
    assert_eq!(said.code, Some(1));
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(found["items"][0]["file"], "FOLDER/wrong.yaml");
    assert_eq!((&found["items"][0]["line"], &found["items"][0]["column"]), (&5.into(), &5.into()));
    assert_eq!(found["next"], Value::Null);
}

#[tokio::test]
async fn what_cannot_be_proven_is_a_warning() {
    let open = RIGHT.replace(", properties: { id: { type: string } } }", " }");
    let open = format!("{open}    input: {{ to: '${{input.id.town}}' }}\n");
    let said = check("open", &[("open.yaml", &open)], &[]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    insta::assert_snapshot!(said.stdout);
    assert_eq!(said.stderr, "1 definition checked, 1 warning\n");

    let said = check("open-denied", &[("open.yaml", &open)], &["--deny-warnings", "--json"]).await;
    assert_eq!(said.code, Some(1));
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(found["items"][0]["severity"], "warning");
}

#[tokio::test]
async fn definitions_that_do_not_go_together_are_wrong() {
    let said = check("conflict", &[("a.yaml", RIGHT), ("b.yaml", RIGHT)], &[]).await;
    assert_eq!(said.code, Some(1));
    let conflict = "`FOLDER/a.yaml` and `FOLDER/b.yaml` both declare saga `parcel`: rename one";
    assert_eq!(said.stdout, format!("error: {conflict}\n"));

    let below = RIGHT.replace("saga: parcel", "saga: late").replace("/parcels", "/parcels/late");
    let said = check("paths", &[("a.yaml", RIGHT), ("b.yaml", &below)], &[]).await;
    let conflict = "`FOLDER/b.yaml` exposes `/parcels/late`, where the saga with key `late` of \
                    `FOLDER/a.yaml` is to be found: choose another path";
    assert_eq!((said.code, said.stdout), (Some(1), format!("error: {conflict}\n")));
}

#[tokio::test]
async fn what_cannot_be_read_was_not_checked() {
    let said = saga(&["check", "/nowhere"]).await;
    assert_eq!(said.code, Some(2));
    assert!(said.stderr.contains("cannot read `/nowhere`"), "{said:?}");
    assert_eq!(check("empty", &[("notes.txt", "")], &[]).await.code, Some(2));
}

#[tokio::test]
async fn what_can_be_read_is_checked_whatever_cannot() {
    let wrong = RIGHT.replace("action: schedule", "acton: schedule");
    let folder = folder("some", &[("right.yaml", RIGHT), ("wrong.yaml", &wrong)]);
    let folder = folder.display().to_string();
    let said = saga(&["check", "/nowhere", &folder, "/nowhere/else"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stdout.contains("a step has no field `acton`"), "{said:?}");
    let last = "2 definitions checked, 2 errors; 2 paths could not be read";
    assert_eq!(said.stderr.lines().last(), Some(last), "{said:?}");
    for path in ["/nowhere", "/nowhere/else"] {
        assert!(said.stderr.contains(&format!("error: cannot read `{path}`")), "{said:?}");
    }

    let said = saga(&["check", "/nowhere", &folder, "--json"]).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    let found: Value = serde_json::from_str(&said.stdout).unwrap();
    let items = found["items"].as_array().unwrap();
    assert_eq!(items.len(), 3, "{found:#}");
    assert!(items[0]["file"].as_str().unwrap().ends_with("wrong.yaml"), "{found:#}");
    let (file, severity) = (&items[2]["file"], &items[2]["severity"]);
    assert_eq!((file, severity), (&"/nowhere".into(), &"error".into()));
    assert_eq!(saga(&["check", "/nowhere", "--json"]).await.stdout.matches("\"items\"").count(), 1);
}

#[tokio::test]
async fn the_standard_input_is_checked_like_a_file() {
    let said = saga_reading(&["check", "-"], RIGHT).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.stderr, "1 definition checked, nothing wrong\n");
    let said = saga_reading(&["check", "-", "-"], "saga: wrong\n").await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stdout.starts_with("<stdin>:1:1: error: "), "{said:?}");
    let said = saga_reading(&["check", "-"], &format!("#{}", "x".repeat(1 << 20))).await;
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.stderr.contains("`<stdin>`: a definition has at most"), "{said:?}");
}

#[tokio::test]
async fn an_orchestrator_does_not_start_on_wrong_definitions() {
    let folder = folder("serve", &[("wrong.yaml", "saga: [")]).display().to_string();
    let said = saga(&[
        "serve",
        "--listen=127.0.0.1:0",
        "--amqp-url=amqp://127.0.0.1:1",
        "--database-url=postgres://127.0.0.1:1/none",
        "--defs",
        &folder,
    ])
    .await;
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.stderr.contains(&format!("{folder}/wrong.yaml:1:")), "{said:?}");
}
