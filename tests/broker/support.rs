//! What an operator, or a mistake, does to a virtual host, and what is seen of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lab::{Lab, Member, wait};
use reqwest::StatusCode;
use saga_tests::World;
use serde_json::Value;

/// Far above what anything here takes; reached when something is broken.
pub(crate) const SOON: Duration = Duration::from_secs(90);
/// The ends of a saga, as long as nobody gives up.
pub(crate) const ENDS: [&str; 2] = ["completed", "compensated"];

/// A world on the broker that all tests share, and the hands of its operator.
pub(crate) struct Site {
    pub(crate) world: World,
    lab: Lab,
    pub(crate) vhost: String,
}

impl Site {
    pub(crate) async fn new() -> Result<Self> {
        let world = World::start().await?;
        let vhost = vhost(&world).to_owned();
        Ok(Self { world, lab: Lab::from_env()?, vhost })
    }

    /// Runs `rabbitmqctl` on the virtual host.
    pub(crate) async fn ctl(&self, command: &str, arguments: &[&str]) -> Result<String> {
        let begin = ["-q", command, "-p", &self.vhost];
        self.lab.rabbitmqctl(&[&begin, arguments].concat()).await
    }

    /// Has the broker do something that no tool of its own does; `R` makes a name of the virtual
    /// host.
    pub(crate) async fn eval(&self, what: &str) -> Result<()> {
        let vhost = &self.vhost;
        let name = format!("R = fun (K, N) -> rabbit_misc:r(<<\"{vhost}\">>, K, N) end");
        self.lab.rabbitmqctl(&["eval", &format!("{name}, {what}, ok.")]).await.map(|_| ())
    }

    /// Deletes an exchange with its bindings.
    pub(crate) async fn delete_exchange(&self, name: &str) -> Result<()> {
        self.eval(&format!("rabbit_exchange:delete(R(exchange, <<\"{name}\">>), false, <<>>)"))
            .await
    }

    /// Deletes the bindings of an exchange.
    pub(crate) async fn unbind(&self, exchange: &str) -> Result<()> {
        let bindings = format!("rabbit_binding:list_for_source(R(exchange, <<\"{exchange}\">>))");
        self.eval(&format!("[ok = rabbit_binding:remove(B, <<>>) || B <- {bindings}]")).await
    }

    /// Takes all permissions from the user, or gives those that were named as the way out.
    pub(crate) async fn permit(&self, names: &str) -> Result<()> {
        self.ctl("set_permissions", &["guest", names, names, names]).await.map(|_| ())
    }

    /// Waits until the orchestrator says that it is not ready, and why, with all of these words;
    /// all of what it said.
    pub(crate) async fn unready(&self, words: &[&str]) -> Result<String> {
        unready(&self.world, words).await
    }
}

/// The virtual host of a world.
pub(crate) fn vhost(world: &World) -> &str {
    world.system.settings.amqp_url.rsplit('/').next().unwrap_or_default()
}

/// Waits until the orchestrator says that it is not ready because of the broker, with all of these
/// words; what it said.
pub(crate) async fn unready(world: &World, words: &[&str]) -> Result<String> {
    let mut last = Value::Null;
    let seen = wait::until("the orchestrator to say what is wrong", SOON, async || {
        let answer = world.get("/readyz").await.ok()?;
        last = answer.body["checks"]["broker"].clone();
        let said = last.as_str().filter(|_| answer.status == StatusCode::SERVICE_UNAVAILABLE)?;
        words.iter().all(|word| said.contains(word)).then(|| said.to_owned())
    });
    seen.await.with_context(|| format!("{words:?} in {last}"))
}

/// Waits until a member has said something, so many times.
pub(crate) async fn said(member: &Member, words: &str) -> Result<()> {
    let heard = async || (times_said(member, words).ok()? > 0).then_some(());
    let what = format!("`{}` to say {words:?}", member.name());
    wait::until(&what, SOON, heard).await.with_context(|| member.process().log_tail())
}

/// In how many lines a member has said it.
pub(crate) fn times_said(member: &Member, words: &str) -> Result<usize> {
    let log = std::fs::read_to_string(member.process().log())?;
    Ok(log.lines().filter(|line| line.contains(words)).count())
}

/// Begins an order that must be accepted at once, whatever the broker does.
pub(crate) async fn accepted(world: &World, path: &str, order: &Value) -> Result<String> {
    let headers = [("content-type", "application/json"), ("prefer", "wait=0")];
    let request = world.send(reqwest::Method::POST, path, &headers, order.to_string());
    let answer = tokio::time::timeout(Duration::from_secs(10), request).await;
    let answer = answer.context("an accepted start does not wait for the broker")??;
    ensure!(answer.status == StatusCode::ACCEPTED, "{answer:?}");
    Ok(answer.body["id"].as_str().context("a saga has an id")?.to_owned())
}

/// Waits until a saga has ended, one way or the other.
pub(crate) async fn ended(world: &World, id: &str) -> Result<Value> {
    let mut last = Value::Null;
    let seen = wait::until("the end of a saga", SOON, async || {
        last = world.saga(id).await.ok()?;
        ENDS.iter().any(|end| last["status"] == *end).then(|| last.clone())
    });
    seen.await.with_context(|| format!("{last:#}"))
}
