//! Who may know whom, as `cargo tree` sees it. What is said as an absence stays true.

use std::{collections::BTreeSet, process::Command};

use crate::none;

/// All of our crates that others could stand on.
const OURS: [&str; 7] = [
    "saga-protocol",
    "saga-bus",
    "saga-core",
    "saga-store",
    "saga-engine",
    "saga-server",
    "saga-participant",
];
/// What would make a crate impure: runtimes, servers, chance, logs.
const WORLD: [&str; 8] =
    ["tokio", "sqlx", "lapin", "rand", "tracing", "reqwest", "hyper", "async-std"];
const PARTICIPANTS: [&str; 4] = ["saga-participant", "payment", "inventory", "shipping"];

#[test]
fn the_core_decides_and_knows_nothing_of_the_world() {
    none(&known("saga-core", &WORLD, "take it as a value"));
    none(&known("saga-core", &["saga-bus", "saga-store"], "let the engine do it"));
    none(&known("saga-protocol", &WORLD, "the contract is data"));
}

#[test]
fn store_and_bus_do_not_know_each_other() {
    none(&known("saga-store", &["saga-bus", "lapin"], "let the engine do both"));
    none(&known("saga-bus", &["saga-store", "saga-core", "sqlx"], "let the engine do both"));
    none(&known("saga-store", &["saga-core"], "the store keeps what it is given, byte for byte"));
}

#[test]
fn the_engine_is_served_and_serves_nobody() {
    none(&known("saga-engine", &["axum", "hyper", "clap", "reqwest"], "let the server do it"));
}

#[test]
fn a_participant_sees_the_contract_and_no_orchestrator() {
    for participant in PARTICIPANTS {
        let orchestrator = ["saga-core", "saga-store", "saga-engine", "saga-server"];
        none(&known(participant, &orchestrator, "put what both need into the protocol"));
    }
}

#[test]
fn the_lab_runs_binaries_and_stands_on_none_of_our_crates() {
    none(&known("lab", &OURS, "run the binary, or move it to the tests"));
}

/// What each of these crates really stands on, so that no absence above is one of a wrong name.
#[test]
fn what_is_said_to_be_absent_elsewhere_is_present_somewhere() {
    let server = tree("saga-server");
    for name in WORLD.iter().filter(|name| **name != "async-std").chain(&OURS[..5]) {
        assert!(server.contains(*name), "`{name}` is not below saga-server: is that its name?");
    }
}

/// Which of these a crate stands on, directly or not.
fn known(of: &str, forbidden: &[&str], instead: &str) -> Vec<String> {
    let tree = tree(of);
    let found = forbidden.iter().filter(|name| tree.contains(**name));
    found.map(|name| format!("`{of}` stands on `{name}`: {instead}")).collect()
}

/// The names of all crates that this one is built with, without those for its tests and its build.
fn tree(of: &str) -> BTreeSet<String> {
    let lines = cargo(&["tree", "-p", of, "-e", "normal", "--prefix", "none"]);
    lines.lines().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect()
}

/// What cargo answers, without touching the network or the lock file.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let mut command = Command::new(lab::cargo());
    command.current_dir(lab::workspace()).args(arguments).args(["--locked", "--offline"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "`cargo {}` failed:\n{said}", arguments.join(" "));
    String::from_utf8(output.stdout).unwrap()
}
