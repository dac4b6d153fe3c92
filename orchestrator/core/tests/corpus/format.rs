//! The JSON Schema of definitions takes what the loader takes, and refuses what one field shows to
//! be wrong.

use std::{fs, path::Path};

use jsonschema::Validator;
use saga_core::{Definition, definition::format_schema};
use serde_json::Value;

use crate::files;

fn validator() -> Validator {
    jsonschema::options().offline().build(&format_schema()).expect("it is a JSON Schema")
}

/// Words such as `NO` are text, as they are to the loader and to editors.
fn read(text: &str) -> Value {
    let options = serde_saphyr::options! { strict_booleans: true };
    serde_saphyr::from_str_with_options(text, options).expect("it is YAML")
}

#[test]
fn the_schema_beside_the_definitions_is_that_of_this_program() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../saga-defs/saga.schema.json");
    let written = fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == format!("{:#}\n", format_schema()),
        "renew it: cargo run -- schema > saga-defs/saga.schema.json"
    );
}

#[test]
fn it_takes_every_good_definition() {
    let schema = validator();
    for file in files::good().into_iter().chain(files::warned()).chain(files::shipped()) {
        let value = read(&file.text);
        let wrong: Vec<_> = schema.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", file.name);
    }
}

/// What is filled in at a version's making is as good as what was written.
#[test]
fn it_takes_the_canonical_form() {
    let schema = validator();
    for file in files::good() {
        let definition = Definition::parse("x.yaml", &file.text).expect("it is sound");
        let value = serde_json::from_str(definition.canonical.get()).unwrap();
        assert!(schema.is_valid(&value), "{}", definition.canonical);
    }
}

/// Files whose names begin so break a rule that one field shows.
const FORMAT: &str = "format_";

#[test]
fn it_refuses_what_a_field_shows() {
    let schema = validator();
    let bad: Vec<_> =
        files::bad().into_iter().filter(|file| file.name.starts_with(FORMAT)).collect();
    assert!(bad.len() > 40, "only {} files", bad.len());
    for file in bad {
        assert!(!schema.is_valid(&read(&file.text)), "`{}` is valid", file.name);
    }
}
