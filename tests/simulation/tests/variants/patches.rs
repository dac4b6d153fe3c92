//! The variants inside the core are found by a command of its own, which builds each; here only
//! that each can still be applied, and says what it breaks.

use std::{fs, path::Path, process::Command};

#[test]
fn every_patch_fits_the_code() {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let patches = fs::read_dir(workspace.join("tests/simulation/patches")).unwrap();
    let patches: Vec<_> = patches.map(|entry| entry.unwrap().path()).collect();
    assert!(patches.len() >= 10, "only {} patches are left", patches.len());
    for patch in patches {
        let text = fs::read_to_string(&patch).unwrap();
        let (said, _) = text.split_once("--- a/").unwrap();
        assert!(said.contains('"'), "say on top of `{}` which promise it breaks", patch.display());
        let mut git = Command::new("git");
        git.args(["apply", "--check"]).arg(&patch).current_dir(&workspace);
        // A repository around the workspace would have git look for the files elsewhere.
        git.env_remove("GIT_DIR").env_remove("GIT_WORK_TREE");
        git.env("GIT_CEILING_DIRECTORIES", workspace.parent().unwrap());
        let done = git.output().unwrap();
        let why = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "make `{}` anew: {why}", patch.display());
    }
}
