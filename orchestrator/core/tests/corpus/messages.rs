//! What is told of each file. `INSTA_UPDATE=always cargo test -p saga-core --test corpus` writes
//! the messages anew.

use std::{fs, path::Path};

use saga_core::{
    Definition, Diagnostic,
    definition::Severity::{Error, Warning},
};

use crate::files::{self, File};

/// What is told of files, one snapshot each.
fn tell(told: impl Iterator<Item = (String, Vec<Diagnostic>)>) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path("messages");
    settings.bind(|| {
        for (name, diagnostics) in told {
            let told: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
            insta::assert_snapshot!(name, told.join("\n"));
        }
    });
}

fn sound(file: &File) -> Definition {
    let name = format!("{}.yaml", file.name);
    let definition = Definition::parse(&name, &file.text).unwrap_or_else(|diagnostics| {
        let told: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
        panic!("`{name}` is refused:\n{}", told.join("\n"))
    });
    let stored = Definition::from_canonical(definition.canonical.get()).expect(&name);
    assert_eq!(stored.hash, definition.hash, "{name}");
    definition
}

#[test]
fn nothing_is_told_of_good_definitions() {
    for file in files::good().into_iter().chain(files::shipped()) {
        let warnings = sound(&file).warnings;
        assert!(warnings.is_empty(), "`{}`: {warnings:#?}", file.name);
    }
}

#[test]
fn definitions_that_run_may_be_warned_of() {
    tell(files::warned().into_iter().map(|file| {
        let warnings = sound(&file).warnings;
        assert!(!warnings.is_empty(), "nothing is told of `{}`", file.name);
        assert!(warnings.iter().all(|warning| warning.severity == Warning), "{}", file.name);
        (file.name, warnings)
    }));
}

#[test]
fn bad_definitions_are_refused() {
    let bad = files::bad();
    assert!(bad.len() >= 60, "{} are too few to show every rule", bad.len());
    tell(bad.into_iter().map(|file| {
        let found = Definition::parse(&format!("{}.yaml", file.name), &file.text).err();
        let found = found.unwrap_or_else(|| panic!("`{}` is taken for sound", file.name));
        assert!(found.iter().any(|found| found.severity == Error), "{}", file.name);
        (file.name, found)
    }));
}

/// A message without its file would keep telling of a rule that nothing shows any more.
#[test]
fn every_message_has_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/messages");
    let told = files::bad().into_iter().chain(files::warned());
    let told: Vec<_> = told.map(|file| format!("{}.snap", file.name)).collect();
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().replace(".new", "");
        assert!(told.contains(&name), "`{name}` tells of no file: remove it");
    }
}
