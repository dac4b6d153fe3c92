//! However a lab ends, nothing of it is left: no process, no folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use lab::{Signal, wait};

/// Servers start in seconds; this allows for a machine that is busy compiling.
const UP: Duration = Duration::from_secs(180);
/// Ending in order, with some room.
const GONE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn none_after_ctrl_c() {
    check(Signal::Int).await;
}

#[tokio::test]
async fn none_after_termination() {
    check(Signal::Term).await;
}

#[tokio::test]
async fn none_after_being_killed() {
    check(Signal::Kill).await;
}

#[tokio::test]
async fn exit_status_is_that_of_the_command() {
    let described = marker("status");
    let mut lab = start(&described, "exit 7");
    let status = wait::until("the end", UP, async || lab.try_wait().expect("it is ours")).await;
    assert_eq!(status.expect("it ends").code(), Some(7));
    let folder = folder(&described);
    assert!(!folder.exists());
    assert_eq!(processes_naming(&folder), Vec::<String>::new());
}

/// Starts a lab, waits until its command runs, sends it a signal, and looks for what is left.
async fn check(signal: Signal) {
    let described = marker(signal.name());
    let mut lab = start(&described, "sleep 1000");
    let written = async || fs::read(&described).is_ok_and(|text| !text.is_empty()).then_some(());
    wait::until("the command", UP, written).await.expect("it runs");
    let folder = folder(&described);
    assert!(folder.is_dir());
    let running = processes_naming(&folder);
    assert!(running.len() >= 4, "broker, port mapper, database and command run: {running:?}");

    signal.send(i64::from(lab.id())).expect("it runs");
    lab.wait().expect("it is ours");
    let gone = wait::until("everything to be gone", GONE, async || {
        (!folder.exists() && processes_naming(&folder).is_empty()).then_some(())
    });
    let left = format!("{:?}", processes_naming(&folder));
    gone.await.unwrap_or_else(|error| panic!("{error}; at first there were {left}"));
}

/// Where the command of a lab writes what it was told of the servers.
fn marker(name: &str) -> PathBuf {
    env::temp_dir().join(format!("leftovers-{}-{name}", std::process::id()))
}

/// A lab that runs a command in a shell.
fn start(described: &Path, command: &str) -> Child {
    let script = format!("printf %s \"$SAGA_LAB\" >{}; {command}", described.display());
    Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["exec", "--", "sh", "-c", &script])
        .env_remove("SAGA_LAB")
        .env_remove("AMQP_URL")
        .env_remove("DATABASE_URL")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("lab is built")
}

/// The folder of the lab that wrote this description, which is removed.
fn folder(described: &Path) -> PathBuf {
    let text = fs::read_to_string(described).expect("the command wrote it");
    fs::remove_file(described).expect("it is there");
    let lab: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    PathBuf::from(lab["folder"].as_str().expect("it names the folder"))
}

/// The processes whose arguments or environment name this folder.
fn processes_naming(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let entries = fs::read_dir("/proc").expect("Linux has it").flatten();
    let processes = entries.filter(|entry| {
        ["cmdline", "environ"].into_iter().any(|file| {
            // A process may end while we look at it.
            let bytes = fs::read(entry.path().join(file)).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(&folder)
        })
    });
    processes.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
