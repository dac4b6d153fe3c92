//! The canonical form: it keeps what a definition means and fills in what a file leaves out, so
//! that a version stays the same whatever later programs assume.

use std::{collections::BTreeMap, time::Duration};

use super::{super::Retry, Definition, ORDER, sound};

#[test]
fn a_version_is_what_a_definition_means() {
    let order = sound(ORDER);
    assert_eq!(order.hash, "26688ebd8161");
    let moved = ORDER.replace("timeout: 5s", "timeout: 5000ms").replace("# ", "# Note: ");
    assert_eq!(sound(&moved).hash, order.hash, "how it is written makes no difference");
    let said =
        ORDER.replace("    action: reserve\n", "    action: reserve\n    needs: [payment]\n");
    assert_eq!(sound(&said).hash, order.hash, "nor does saying what holds anyway");
    let changed = ORDER.replace("timeout: 5s", "timeout: 6s");
    assert_ne!(sound(&changed).hash, order.hash, "what it does makes one");
}

#[test]
fn the_canonical_form_has_everything_in_order() {
    let text = "
        saga: x
        steps:
          - { name: a, participant: p, action: act, compensation: undo }
          - { name: b, participant: p, action: act, kind: pivot, input: { z: 1.5, a: '${input}' } }
          - { name: c, participant: q, action: act, kind: retriable, when: 'input.x > 1' }";
    let canonical = sound(text).canonical;
    let pretty: serde_json::Value = serde_json::from_str(canonical.get()).unwrap();
    assert_eq!(canonical.get(), pretty.to_string(), "no insignificant space, keys in order");
    insta::assert_yaml_snapshot!(pretty["steps"][2], @r#"
    action: act
    input: {}
    kind: retriable
    name: c
    needs:
      - b
    participant: q
    retry:
      attempts: 12
      factor: 2
      initial: 500ms
      max: 5m
    timeout: 10s
    when: input.x > 1
    "#);
}

#[test]
fn reading_the_canonical_form_changes_nothing() {
    for text in [ORDER, include_str!("../../../../../tests/definitions/pivot.yaml")] {
        let written = sound(text);
        let read = Definition::from_canonical(written.canonical.get()).unwrap();
        assert_eq!(read.hash, written.hash);
        assert_eq!(read.canonical.get(), written.canonical.get());
        // As YAML it says the same, so that whoever fetches a version can keep it as a file.
        assert_eq!(sound(written.canonical.get()).hash, written.hash);
        for (read, written) in read.steps.iter().zip(&written.steps) {
            assert_eq!(format!("{read:?}"), format!("{written:?}"));
        }
    }
}

#[test]
fn a_stored_definition_keeps_its_version() {
    let stored = r#"{ "saga": "x", "steps": [
        {"name":"a", "participant":"p", "action":"act", "compensation":"none"} ] }"#;
    let read = Definition::from_canonical(stored).unwrap();
    assert_eq!(read.canonical.get(), stored, "not as this program would write it");
    let newer = stored.replace("compensation", "undo");
    let diagnostics = Definition::from_canonical(&newer).unwrap_err();
    assert!(diagnostics[0].to_string().contains("stored definition:1:1: error:"));
    assert!(Definition::from_canonical("not JSON").is_err());
}

#[test]
fn what_a_file_leaves_out() {
    let text = "
        saga: x
        steps:
          - { name: a, participant: p, action: act, compensation: undo, timeout: 3s }
          - { name: b, participant: p, action: act, kind: pivot, retry: { attempts: 2 } }
          - { name: c, participant: p, action: act, kind: retriable }";
    let definition = sound(text);
    let retries: BTreeMap<_, _> =
        definition.steps.iter().map(|step| (step.name.as_str(), &step.retry)).collect();
    assert_eq!(*retries["a"], Retry::BRIEF);
    assert_eq!(*retries["b"], Retry { attempts: 2, ..Retry::BRIEF });
    assert_eq!(*retries["c"], Retry::PERSISTENT);
    assert_eq!(definition.steps[1].timeout, Duration::from_secs(10));
    let super::super::Kind::Compensatable(Some(undo)) = &definition.steps[0].kind else {
        panic!("it is undone");
    };
    assert_eq!((undo.timeout, &undo.retry), (Duration::from_secs(3), &Retry::PERSISTENT));
    assert_eq!(definition.deadline, None);
}
