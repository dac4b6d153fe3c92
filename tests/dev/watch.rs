//! `saga watch`: what people and their tools see while things happen.

use std::{
    env, mem,
    os::unix::process::ExitStatusExt,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result, ensure};
use lab::{Signal, free_port, wait};
use saga_tests::{order, order_with};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::support::{Dev, PATIENCE};

/// Nobody is there to schedule a parcel: orders stay in flight until it is started again.
const STOPPED: [&str; 2] = ["--without", "shipping"];

#[tokio::test(flavor = "multi_thread")]
async fn piped_it_tells_what_is_in_flight_and_every_change_also_over_a_restart() -> Result<()> {
    let mut dev = Dev::start(&STOPPED).await?;
    dev.place(&order_with("o-0", "/items/0/sku", json!("sku-none")), 60).await?;
    let id = id_of(&dev.place(&order("o-1"), 0).await?)?;
    let mut watch = Watch::start(&dev.url, &["watch"])?;
    watch.says(&["running", &id, "order", "o-1", "shipping"]).await?;
    dev.place(&order_with("o-2", "/address/country", json!("AQ")), 0).await?;
    watch.says(&["running", "o-2", "shipping"]).await?;
    dev.cli(&["pause", &id, "--reason", "lunch"])?;
    watch.says(&["running, paused", &id]).await?;
    dev.cli(&["resume", &id, "--reason", "coffee"])?;
    dev.member.kill9();
    watch.complains("it is asked again until it answers").await?;
    dev.restart(&[]).await?;
    watch.says(&["completed", "o-1"]).await?;
    watch.says(&["compensated", "o-2", "shipping: address_not_served"]).await?;
    // What begins and ends between two looks.
    dev.place(&order("o-3"), 60).await?;
    watch.says(&["completed", "o-3"]).await?;
    let (ended, out, err) = watch.interrupted().await?;
    assert_eq!(ended.signal(), Some(2), "as Ctrl-C ends what does not care");
    assert!(!out.contains("o-0"), "it ended before: {out}");
    assert_eq!(err.matches("asked again").count(), 1, "{err}");
    assert_eq!(err.matches("the orchestrator answers again").count(), 1, "{err}");
    let all: Vec<_> = out.lines().collect();
    let mut once = all.clone();
    once.dedup();
    assert_eq!(all, once, "a change is told once");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_one_saga_it_tells_the_journal_until_its_end_also_over_a_restart() -> Result<()> {
    let mut dev = Dev::start(&STOPPED).await?;
    let good = id_of(&dev.place(&order("o-1"), 0).await?)?;
    let bad = order_with("o-2", "/address/country", json!("AQ"));
    let bad = id_of(&dev.place(&bad, 0).await?)?;
    let mut text = Watch::start(&dev.url, &["watch", &good])?;
    let mut document = Watch::start(&dev.url, &["watch", &bad, "--json"])?;
    text.says(&["3  ", "running", "sent shipping action #1"]).await?;
    document.says(&[r#""version":3"#]).await?;
    dev.member.kill9();
    text.complains("it is asked again until it answers").await?;
    dev.restart(&[]).await?;
    let (ended, out, err) = text.end().await?;
    assert_eq!(ended.code(), Some(0), "{err}");
    let versions: Vec<_> = out.lines().filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(versions, ["1", "2", "3", "4"], "{out}");
    assert!(out.contains("reply shipping action #1: completed"), "{out}");
    let (ended, out, _) = document.end().await?;
    assert_eq!(ended.code(), Some(1), "it is compensated");
    let told: Vec<Value> = out.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let journal = dev.get(&format!("/v1/sagas/{bad}/journal")).await?;
    assert_eq!(Value::from(told), journal["items"]);
    // Once more, when it is over.
    assert_eq!(dev.cli(&["watch", &good])?.code, Some(0));
    assert_eq!(dev.cli(&["watch", &bad])?.code, Some(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn as_json_it_tells_one_document_a_line() -> Result<()> {
    let dev = Dev::start(&STOPPED).await?;
    let id = id_of(&dev.place(&order("o-1"), 0).await?)?;
    let mut watch = Watch::start(&dev.url, &["watch", "--json"])?;
    watch.says(&[&id, "shipping"]).await?;
    dev.cli(&["cancel", &id, "--reason", "changed their mind"])?;
    watch.says(&[&id, r#""status":"compensating""#]).await?;
    // Its bytes are kept as they came, line breaks and all.
    let spread = format!("{:#}", order("o-2"));
    let place = reqwest::Client::new().post(format!("{}/orders", dev.url)).body(spread);
    place.header("content-type", "application/json").send().await?.error_for_status()?;
    watch.says(&["o-2"]).await?;
    let (_, out, _) = watch.interrupted().await?;
    for line in out.lines() {
        let saga: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        assert_eq!(saga["definition"], "order");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_with_its_reader_and_does_not_begin_without_an_answer() -> Result<()> {
    let dev = Dev::start(&STOPPED).await?;
    let id = id_of(&dev.place(&order("o-1"), 0).await?)?;
    for arguments in [&["watch"][..], &["watch", &id, "--json"]] {
        let mut watch = Watch::start(&dev.url, arguments)?;
        watch.says(&[]).await?;
        watch.stop_reading();
        let (ended, _, err) = watch.end().await?;
        assert_eq!((ended.code(), err.as_str()), (Some(0), ""));
    }
    let nobody = "01890000-0000-7000-8000-000000000000";
    let unknown = dev.cli(&["watch", nobody])?;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("There is no such saga (saga_not_found)"), "{unknown:?}");
    let url = format!("http://127.0.0.1:{}", free_port()?);
    for arguments in [&["watch", "--url", &url][..], &["watch", nobody, "--url", &url]] {
        let silence = dev.cli(arguments)?;
        assert_eq!(silence.code, Some(2), "{silence:?}");
        assert!(silence.stderr.contains("hint: start one with `saga dev`"), "{silence:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_redraws_what_is_in_flight_and_what_ended() -> Result<()> {
    const ROWS: usize = 12;
    const COLUMNS: usize = 60;
    let mut dev = Dev::start(&STOPPED).await?;
    let long = "o-".to_owned() + &"x".repeat(80);
    for key in (1..20).map(|n| format!("o-{n}")).chain([long]) {
        dev.place(&order(&key), 0).await?;
    }
    let mut watch = Watch::on_terminal(&dev.url, ROWS, COLUMNS, "watch")?;
    watch.says(&["STATUS", "DEFINITION", "KEY", "STEP"]).await?;
    watch.says(&["shown: ", "8 ", "running", "; more are in flight"]).await?;
    watch.says(&["running", "order", "o-xxxxx", "…"]).await?;
    dev.member.kill9();
    watch.says(&["cannot reach an orchestrator at"]).await?;
    dev.restart(&[]).await?;
    watch.says(&["shown: 8 ", "completed"]).await?;
    let (_, out, _) = watch.interrupted().await?;
    let moved = out.split("\u{1b}[").filter_map(|rest| rest.split_once('A')?.0.parse().ok());
    let moved: Vec<usize> = moved.collect();
    assert!(!moved.is_empty() && moved.iter().all(|up| *up < ROWS), "{moved:?}");
    assert!(out.contains("\u{1b}[2K"), "{out}");
    let widest = out.lines().map(|line| plain(line).chars().count()).max();
    assert_eq!(widest, Some(COLUMNS), "lines are cut at the edge, and never wrap");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_one_saga_is_shown_until_its_end() -> Result<()> {
    let mut dev = Dev::start(&STOPPED).await?;
    let good = id_of(&dev.place(&order("o-1"), 0).await?)?;
    let bad = order_with("o-2", "/address/country", json!("AQ"));
    let bad = id_of(&dev.place(&bad, 0).await?)?;
    let mut good = Watch::on_terminal(&dev.url, 6, 80, &format!("watch {good}"))?;
    let mut bad = Watch::on_terminal(&dev.url, 40, 80, &format!("watch {bad}"))?;
    good.says(&["order: ", "running"]).await?;
    good.says(&["… ", " more lines"]).await?;
    bad.says(&["shipping: ", "running"]).await?;
    dev.restart(&[]).await?;
    let (ended, out, _) = good.end().await?;
    assert_eq!(ended.code(), Some(0), "{out}");
    let (_, last) = out.rsplit_once("order: ").context("it is drawn")?;
    assert!(last.contains("completed") && last.contains("ended "), "the end is whole: {last}");
    let (ended, out, _) = bad.end().await?;
    assert_eq!(ended.code(), Some(1), "{out}");
    assert!(out.contains("\u{1b}[2K") && out.contains("compensated"), "{out}");
    Ok(())
}

/// A `saga watch` that runs. Killed when dropped.
struct Watch {
    child: Child,
    out: Said,
    err: Said,
}

/// What was said so far.
struct Said {
    text: Arc<Mutex<String>>,
    reading: JoinHandle<()>,
}

impl Watch {
    /// Starts one whose output is a pipe.
    fn start(url: &str, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary()?);
        command.args(arguments);
        Self::run(command, url)
    }

    /// Starts one on a terminal of this size.
    fn on_terminal(url: &str, rows: usize, columns: usize, arguments: &str) -> Result<Self> {
        let binary = binary()?;
        let inside = format!("stty rows {rows} cols {columns}; exec {binary} {arguments}");
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--flush", "--command", &inside, "/dev/null"]);
        Self::run(command, url)
    }

    fn run(mut command: Command, url: &str) -> Result<Self> {
        command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
        command.env("SAGA_URL", url).env("TERM", "xterm-256color");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn().context("is `script` installed?")?;
        let out = Said::read(child.stdout.take().context("it is piped")?);
        let err = Said::read(child.stderr.take().context("it is piped")?);
        Ok(Self { child, out, err })
    }

    /// Waits until a line has all of these words.
    async fn says(&mut self, words: &[&str]) -> Result<()> {
        let what = format!("a line with {words:?}");
        let says = |line: &str| words.iter().all(|word| line.contains(word));
        let said = async || self.out.now().lines().any(says).then_some(());
        let said = wait::until(&what, PATIENCE, said).await;
        said.with_context(|| format!("it said: {}{}", self.out.now(), self.err.now()))
    }

    /// Waits until it has said this on stderr.
    async fn complains(&mut self, words: &str) -> Result<()> {
        let said = async || self.err.now().contains(words).then_some(());
        wait::until(words, PATIENCE, said).await.with_context(|| self.err.now())
    }

    /// Closes the other end of its stdout.
    fn stop_reading(&self) {
        self.out.reading.abort();
    }

    /// Ends it as Ctrl-C does.
    async fn interrupted(self) -> Result<(ExitStatus, String, String)> {
        let pid = self.child.id().context("it runs")?;
        Signal::Int.send(i64::from(pid))?;
        self.end().await
    }

    /// Waits for its end, and answers what it said on stdout and stderr.
    async fn end(mut self) -> Result<(ExitStatus, String, String)> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let ended = ended.with_context(|| format!("it goes on: {}", self.out.now()))??;
        // One that was told to stop reading has.
        for said in [&mut self.out, &mut self.err] {
            (&mut said.reading).await.ok();
        }
        Ok((ended, self.out.now(), self.err.now()))
    }
}

impl Said {
    fn read(mut stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let said = Arc::clone(&text);
        let reading = tokio::spawn(async move {
            let mut rest = Vec::new();
            while stream.read_buf(&mut rest).await.is_ok_and(|bytes| bytes > 0) {
                // A letter may come in parts.
                let whole = rest.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                let tail = rest.split_off(whole);
                let lines = mem::replace(&mut rest, tail);
                locked(&said).push_str(&String::from_utf8_lossy(&lines));
            }
            locked(&said).push_str(&String::from_utf8_lossy(&rest));
        });
        Self { text, reading }
    }

    fn now(&self) -> String {
        locked(&self.text).clone()
    }
}

fn locked(text: &Mutex<String>) -> MutexGuard<'_, String> {
    text.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The built `saga`, above the tests.
fn binary() -> Result<String> {
    let test = env::current_exe()?;
    let binary = test.ancestors().nth(2).context("tests are in a folder")?.join("saga");
    ensure!(binary.is_file(), "`{}` is not built", binary.display());
    Ok(binary.display().to_string())
}

fn id_of(saga: &Value) -> Result<String> {
    Ok(saga["id"].as_str().context("a saga has an id")?.to_owned())
}

/// Without what steers the terminal.
fn plain(line: &str) -> String {
    let mut parts = line.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| part.trim_start_matches(|c: char| !c.is_ascii_alphabetic()));
    let text = rest.fold(first, |text, part| text + part.get(1..).unwrap_or_default());
    text.trim_matches('\r').to_owned()
}
