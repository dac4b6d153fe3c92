//! What these tests look at: how starts are answered meanwhile, what a process uses, and that all
//! has ended after.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lab::{Member, wait};
use reqwest::{StatusCode, header};
use saga_tests::{Answer, World, order};
use uuid::Uuid;

/// Far above what anything here takes; reached when something is broken.
pub(crate) const SOON: Duration = Duration::from_secs(60);
/// Nobody waits longer for an answer, whatever is wrong with the database: it is above the 5 s for
/// which a start is kept and the 8 s for which a read is, with room for a busy machine.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(12);
/// Ticks of the kernel's accounts in a second, on every Linux there is.
const TICKS: f64 = 100.0;

/// Starts an order, which is answered soon whatever is wrong: with success, or with a refusal that
/// says when to come again.
pub(crate) async fn ask(world: &World) -> Result<StatusCode> {
    let asked = Instant::now();
    let key = Uuid::new_v4().to_string();
    let answer = world.post("/orders", &[("idempotency-key", &key)], &order(&key)).await?;
    answered(&answer, asked)?;
    Ok(answer.status)
}

/// An answer came soon, and is success or a refusal in good form.
pub(crate) fn answered(answer: &Answer, asked: Instant) -> Result<()> {
    let took = asked.elapsed();
    ensure!(took <= ANSWERED_WITHIN, "{} after {took:?}", answer.status);
    if answer.status.is_success() {
        return Ok(());
    }
    ensure!(answer.status == StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    let kind = &answer.headers[header::CONTENT_TYPE];
    ensure!(kind == "application/problem+json", "{answer:?}");
    ensure!(answer.headers.contains_key(header::RETRY_AFTER), "{answer:?}");
    Ok(())
}

/// Waits until starts are refused; until then and then, each is answered soon and in good form.
pub(crate) async fn until_refused(world: &World) -> Result<()> {
    until_asked("a start to be refused", world, |status| !status.is_success()).await
}

/// Waits until starts are taken again.
pub(crate) async fn until_taken(world: &World) -> Result<()> {
    until_asked("a start to be taken", world, |status| status.is_success()).await
}

async fn until_asked(what: &str, world: &World, wanted: fn(StatusCode) -> bool) -> Result<()> {
    let look = async || match ask(world).await {
        Ok(status) => wanted(status).then_some(Ok(())),
        Err(error) => Some(Err(error)),
    };
    wait::until(what, SOON, look).await?
}

/// Waits until all sagas have ended, those too whose start was refused and may be all the same.
pub(crate) async fn until_ended(world: &World) -> Result<()> {
    let open = "select count(*) from saga.saga where finished_at is null";
    let ended = async || (world.count(open).await.ok()? == 0).then_some(());
    wait::until("all sagas to end", SOON, ended).await
}

/// The seconds of a processor that a process has used.
pub(crate) fn cpu_seconds(member: &Member) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", member.process().pid()))?;
    // After the name, which is in brackets, come state and more; then user and system time.
    let (_, rest) = stat.rsplit_once(") ").context("a process has a name")?;
    let ticks = rest.split(' ').skip(11).take(2).map(str::parse::<f64>);
    Ok(ticks.sum::<Result<f64, _>>()? / TICKS)
}

/// The memory that a process holds, in megabytes.
pub(crate) fn megabytes(member: &Member) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", member.process().pid()))?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("it has memory")?;
    let kilobytes = line.split_whitespace().nth(1).context("memory is a number")?;
    Ok(kilobytes.parse::<u64>()? / 1024)
}

/// How many lines with these words a process has logged.
pub(crate) fn lines(member: &Member, words: &str) -> Result<usize> {
    let log = fs::read_to_string(member.process().log())?;
    Ok(log.lines().filter(|line| line.contains(words)).count())
}
