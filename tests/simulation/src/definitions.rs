//! The definitions that the sagas of all runs follow, read once.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use saga_core::Definition;
use saga_engine::Definitions;

/// The files.
const FILES: [(&str, &str); 6] = [
    ("linear.yaml", include_str!("../definitions/linear.yaml")),
    ("parallel.yaml", include_str!("../definitions/parallel.yaml")),
    ("pivot.yaml", include_str!("../definitions/pivot.yaml")),
    ("hasty.yaml", include_str!("../definitions/hasty.yaml")),
    ("patient.yaml", include_str!("../definitions/patient.yaml")),
    ("asking.yaml", include_str!("../definitions/asking.yaml")),
];

/// What another version of each file has in place of this.
const OTHER: (&str, &str) = ("attempts: 2", "attempts: 3");

/// Both versions of all of them.
struct Known {
    /// As the files say.
    files: Vec<(PathBuf, Arc<Definition>)>,
    /// As another release of them says.
    other: Vec<(PathBuf, Arc<Definition>)>,
    by_hash: BTreeMap<String, Arc<Definition>>,
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let files: Vec<_> = FILES.iter().map(|(name, text)| parse(name, text)).collect();
        let other = |(name, text): &(&str, &str)| parse(name, &text.replace(OTHER.0, OTHER.1));
        let other: Vec<_> = FILES.iter().map(other).collect();
        let each = files.iter().chain(&other).map(|(_, definition)| definition);
        let by_hash = each.map(|it| (it.hash.clone(), Arc::clone(it))).collect();
        Known { files, other, by_hash }
    })
}

fn parse(name: &str, text: &str) -> (PathBuf, Arc<Definition>) {
    match Definition::parse(name, text) {
        Ok(definition) => (PathBuf::from(name), Arc::new(definition)),
        Err(wrong) => panic!("`{name}` is wrong: {wrong:?}"),
    }
}

/// All of them, as the files say.
pub(crate) fn all() -> &'static [(PathBuf, Arc<Definition>)] {
    &known().files
}

/// As an orchestrator of one release or the other serves them.
pub(crate) fn served(is_other: bool) -> Definitions {
    let known = known();
    let served = if is_other { &known.other } else { &known.files };
    match Definitions::of(served.clone()) {
        Ok(definitions) => definitions,
        Err(error) => panic!("{error}"),
    }
}

/// All versions, by hash.
pub(crate) fn by_hash() -> BTreeMap<String, Arc<Definition>> {
    known().by_hash.clone()
}
