//! Definitions that a test changes, and what an orchestrator says of them.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use lab::wait;
use reqwest::{Method, StatusCode};
use saga_tests::World;
use serde_json::Value;

/// A change of files is taken up within seconds; this allows for a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Steps that wait for a participant that stands still for as long as a test needs it to.
pub(crate) const PAYMENT: &str = r#"
  - name: payment
    participant: payment
    action: charge
    compensation: refund
    input: { customer_id: "${input.customer_id}", amount: "${input.total}", currency: EUR }
    timeout: 10m
"#;
pub(crate) const INVENTORY: &str = r#"
  - name: inventory
    participant: inventory
    action: reserve
    compensation: release
    input: { items: "${input.items}" }
"#;
pub(crate) const SHIPPING: &str = r#"
  - name: shipping
    participant: shipping
    action: schedule
    compensation: cancel
    input: { address: "${input.address}" }
"#;

/// A definition of these steps, exposed at a path of its own.
pub(crate) fn definition(name: &str, steps: &[&str]) -> String {
    format!(
        "saga: {name}
expose: {{ path: /{name}, key: input.order_id }}
input:
  type: object
  required: [order_id, customer_id, items, total, currency, address]
steps:{}",
        steps.concat()
    )
}

/// Writes a definition into a folder, in place, as an editor may.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    fs::write(folder.join(format!("{name}.yaml")), text).context("cannot write a definition")
}

/// What an orchestrator says of all definitions.
pub(crate) async fn known(world: &World, url: &str) -> Result<Value> {
    let answer = world.send_to(url, Method::GET, "/v1/definitions", &[], "").await?;
    ensure!(answer.status == StatusCode::OK, "{answer:?}");
    Ok(answer.body)
}

/// One of them; null where it is not there.
pub(crate) fn of<'a>(known: &'a Value, name: &str) -> &'a Value {
    let items = known["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().find(|item| item["name"] == name).unwrap_or(&Value::Null)
}

/// Waits until what an orchestrator says of all definitions is as wanted.
pub(crate) async fn until(
    world: &World,
    url: &str,
    what: &str,
    wanted: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let look = async || known(world, url).await.ok().filter(|known| wanted(known));
    match wait::until(what, SOON, look).await {
        Ok(known) => Ok(known),
        Err(error) => Err(error.context(format!("{:#}", known(world, url).await?))),
    }
}

/// Waits until another version than this one is current at the first orchestrator; which.
pub(crate) async fn until_current(world: &World, name: &str, before: &Value) -> Result<String> {
    let what = format!("another version of {name} than {before}");
    let is_other = |known: &Value| {
        let current = &of(known, name)["current"];
        current.is_string() && current != before
    };
    let known = until(world, &world.system.url, &what, is_other).await?;
    Ok(of(&known, name)["current"].as_str().context("it is text")?.to_owned())
}

/// Waits until all sagas have ended.
pub(crate) async fn until_all_ended(world: &World) -> Result<()> {
    let unended = "select count(*) from saga.saga where finished_at is null";
    let ended = async || (world.count(unended).await.ok()? == 0).then_some(());
    wait::until("all sagas to end", SOON, ended).await
}

/// The value of a metric of one orchestrator; 0 where it is not shown.
pub(crate) async fn metric(world: &World, url: &str, series: &str) -> Result<f64> {
    let text = world.http.get(format!("{url}/metrics")).send().await?.text().await?;
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(value.map(str::parse).transpose()?.unwrap_or_default())
}
