//! `/metrics` on real processes: what happens is counted, and what is shown is what Prometheus
//! reads.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lab::{Who, wait};
use saga_bus::{Bus, Health, Publication};
use saga_protocol::{Message, headers, topology};
use saga_tests::{World, order, order_with};
use serde_json::json;

/// What is waited for here takes seconds at most: a grace, a reconnect.
const SOON: Duration = Duration::from_secs(60);
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const ORCHESTRATOR: Who = Who::Orchestrator(0);

/// What `/metrics` showed: values by series.
struct Seen(BTreeMap<String, f64>);

impl Seen {
    /// Asks, and checks that what is said is well formed.
    async fn now(world: &World) -> Result<Self> {
        let answer = world.http.get(format!("{}/metrics", world.system.url)).send().await?;
        ensure!(answer.status() == 200, "{answer:?}");
        ensure!(answer.headers()["content-type"] == OPENMETRICS, "{answer:?}");
        let text = answer.text().await?;
        read(&text).with_context(|| format!("not OpenMetrics:\n{text}")).map(Self)
    }

    /// Waits until a series has at least this value.
    async fn until(world: &World, series: &str, least: f64) -> Result<Self> {
        let what = format!("`{series}` to be {least}");
        let look = async || Self::now(world).await.ok().filter(|seen| seen.value(series) >= least);
        wait::until(&what, SOON, look).await
    }

    /// The value of a series; 0 where it is not shown yet.
    fn value(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or_default()
    }

    #[track_caller]
    fn is(&self, expected: &[(&str, f64)]) {
        for (series, value) in expected {
            assert_eq!(self.value(series), *value, "{series} in {:#?}", self.0);
        }
    }
}

/// Values by series of a text in the format of OpenMetrics, or what is wrong with it.
fn read(text: &str) -> Result<BTreeMap<String, f64>> {
    let body = text.strip_suffix("# EOF\n").context("it ends with `# EOF`")?;
    let (mut values, mut families) = (BTreeMap::new(), BTreeSet::new());
    // The family whose lines are being read: they stand together.
    let (mut family, mut kind, mut unit, mut has_help) = ("", "", None, false);
    for line in body.lines() {
        let words: Vec<_> = line.splitn(4, ' ').collect();
        match words[..] {
            ["#", "HELP", name, help] => {
                ensure!(is_name(name) && families.insert(name), "twice, or no name: {line}");
                ensure!(help.len() > 1 && !help.ends_with(".."), "{line}");
                (family, kind, unit, has_help) = (name, "", None, true);
            }
            ["#", "TYPE", name, said] => {
                ensure!(has_help && name == family && kind.is_empty(), "{line}");
                ensure!(["counter", "gauge", "histogram"].contains(&said), "{line}");
                kind = said;
            }
            ["#", "UNIT", name, said] => {
                ensure!(name == family && name.ends_with(&format!("_{said}")), "{line}");
                unit = Some(said);
            }
            _ => {
                let (series, value) = line.rsplit_once(' ').context("a series and its value")?;
                let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
                let suffix = name.strip_prefix(family).context("a sample of its family")?;
                let allowed: &[&str] = match kind {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    _ => &["_bucket", "_sum", "_count"],
                };
                ensure!(allowed.contains(&suffix), "`{suffix}` of a {kind}: {line}");
                ensure!(kind != "histogram" || unit == Some("seconds"), "no unit: {line}");
                ensure!(are_labels(labels.strip_suffix('}').context("closed")?), "{line}");
                let value: f64 = value.parse()?;
                ensure!(value.is_finite() && value >= 0.0, "{line}");
                ensure!(values.insert(series.to_owned(), value).is_none(), "twice: {line}");
            }
        }
    }
    check_buckets(body)?;
    Ok(values)
}

fn is_name(name: &str) -> bool {
    let is_word = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_');
    name.starts_with("saga_") && name.chars().all(is_word)
}

/// `name="value",…`; no value of ours has a character that must be escaped.
fn are_labels(labels: &str) -> bool {
    let is_label = |label: &str| {
        let parts = label.split_once("=\"").and_then(|(name, rest)| {
            Some((name, rest.strip_suffix('"')?)).filter(|(name, _)| !name.is_empty())
        });
        parts.is_some_and(|(_, value)| !value.contains(['"', '\\']))
    };
    labels.is_empty() || labels.split(',').all(is_label)
}

/// The buckets of a histogram ascend, each holds those before it, and the last holds all.
fn check_buckets(body: &str) -> Result<()> {
    let (mut bound, mut held) = (f64::NEG_INFINITY, 0.0);
    let mut all = BTreeMap::new();
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').context("a value")?;
        let value: f64 = value.parse()?;
        if let Some((name, rest)) = series.split_once("_bucket{le=\"") {
            let (le, labels) = rest.split_once("\",").context("labels after `le`")?;
            let le = if le == "+Inf" { f64::INFINITY } else { le.parse()? };
            if le <= bound {
                ensure!(bound == f64::INFINITY, "out of order: {line}");
                held = 0.0;
            }
            ensure!(value >= held, "less than the bucket before: {line}");
            (bound, held) = (le, value);
            all.insert(format!("{name}_count{{{labels}"), value);
        }
    }
    let mut counted = 0;
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').context("a value")?;
        if let Some(held) = all.get(series) {
            ensure!(*held == value.parse::<f64>()?, "not all that is counted is held: {line}");
            counted += 1;
        }
    }
    ensure!(counted == all.len() && counted > 0, "{counted} histograms of {}", all.len());
    Ok(())
}

/// Something on the queue of replies.
async fn say(world: &World, messages: Vec<Message>) -> Result<()> {
    let bus = world.bus()?;
    bus.health().wait_for(|health| matches!(health, Health::Up { .. })).await?;
    let publication = |message| Publication {
        exchange: topology::REPLIES,
        routing_key: "payment".to_owned(),
        message,
    };
    for published in bus.publish(messages.into_iter().map(publication).collect()).await {
        published?;
    }
    bus.close().await;
    Ok(())
}

/// What payment answers to its first command.
fn charged(saga_id: &str) -> Message {
    let output = json!({ "outcome": "completed", "output": { "charge_id": "again" } });
    let mut message = Message::new(Bytes::from(output.to_string()));
    message.correlation_id = Some(saga_id.to_owned());
    message.kind = Some("payment.charge".to_owned());
    message.set(headers::STEP, "payment");
    message.set(headers::PHASE, "action");
    message.set_number(headers::ATTEMPT, 1);
    message
}

#[tokio::test]
async fn sagas_and_messages_are_counted_by_what_became_of_them() -> Result<()> {
    let world = World::start().await?;
    let completed = world.place("/orders", &order("o-1")).await?;
    let remote = order_with("o-remote", "/address/country", json!("AQ"));
    world.place("/orders", &remote).await?;
    let other = order_with("o-1", "/total", json!(4300));
    assert_eq!(world.post("/orders", &[], &other).await?.status, 409);
    assert_eq!(world.post("/orders", &[], &json!({ "order_id": "o-2" })).await?.status, 422);
    let ended = r#"saga_ended_total{definition="order",status="compensated"}"#;
    let seen = Seen::until(&world, ended, 1.0).await?;
    let step = |participant, phase, outcome| {
        format!(
            "saga_step_duration_seconds_count{{participant=\"{participant}\",phase=\"{phase}\",\
             outcome=\"{outcome}\"}}"
        )
    };
    seen.is(&[
        (r#"saga_started_total{definition="order"}"#, 2.0),
        (r#"saga_ended_total{definition="order",status="completed"}"#, 1.0),
        (ended, 1.0),
        (r#"saga_duration_seconds_count{definition="order",status="completed"}"#, 1.0),
        (r#"saga_transitions_total{definition="order",event="start"}"#, 2.0),
        // Three answers of the one; three, and two of compensations, of the other.
        (r#"saga_transitions_total{definition="order",event="reply"}"#, 8.0),
        (r#"saga_transitions_total{definition="pivot",event="reply"}"#, 0.0),
        (r#"saga_turned_back_total{cause="address_not_served"}"#, 1.0),
        (&step("payment", "action", "completed"), 2.0),
        (&step("shipping", "action", "rejected"), 1.0),
        (&step("inventory", "compensation", "completed"), 1.0),
        (r#"saga_starts_refused_total{reason="key_in_use"}"#, 1.0),
        (r#"saga_starts_refused_total{reason="input_invalid"}"#, 1.0),
        (r#"saga_bus_state{state="up"}"#, 1.0),
        ("saga_bus_connections_total", 1.0),
        ("saga_waiters", 0.0),
    ]);
    let took = r#"saga_duration_seconds_sum{definition="order",status="completed"}"#;
    assert!(seen.value(took) > 0.0);

    let duplicates = r#"saga_rejections_total{reason="duplicate"}"#;
    let unknown = "018f0000-0000-7000-8000-000000000000";
    let mut garbage = charged(unknown);
    garbage.body = Bytes::from_static(b"\xff{");
    let id = completed["id"].as_str().context("an id")?;
    say(&world, vec![charged(id), garbage, charged(unknown)]).await?;
    Seen::until(&world, duplicates, seen.value(duplicates) + 1.0).await?;
    let parked = r#"saga_messages_parked_total{reason="malformed",source="saga.replies"}"#;
    Seen::until(&world, parked, 1.0).await?;
    let nobody = r#"saga_rejections_total{reason="saga_unknown"}"#;
    Seen::until(&world, nobody, 1.0).await?.is(&[(parked, 1.0), (nobody, 1.0)]);
    let is_idle = async || {
        let in_flight = Seen::now(&world).await.ok()?.0.remove("saga_replies_in_flight");
        in_flight.filter(|count| *count == 0.0)
    };
    wait::until("every reply to be settled", SOON, is_idle).await?;
    Ok(())
}

#[tokio::test]
async fn what_needs_somebody_is_counted() -> Result<()> {
    let world = World::start().await?;
    world.system.shipping.process().stop()?;
    let body = order("o-slow");
    let slow = world.place("/orders", &body);
    let meanwhile = async {
        Seen::until(&world, "saga_waiters", 1.0).await?;
        // As in the test of orders: payment forgets what it has done.
        let id = world.begin("/orders", &order("o-amnesia")).await?;
        world.until_step(&id, "shipping", "running").await?;
        sqlx::query("delete from payment.barrier").execute(&world.db).await?;
        world.cancel(&id, &json!({ "reason": "test" })).await?;
        world.system.shipping.process().cont()?;
        world.until_status(&id, "stuck").await
    };
    let (slow, stuck) = tokio::join!(slow, meanwhile);
    stuck?;
    assert_eq!(slow?["status"], "completed");
    Seen::until(&world, r#"saga_stuck_total{cause="effect_missing"}"#, 1.0).await?.is(&[
        (r#"saga_stuck_total{cause="effect_missing"}"#, 1.0),
        (r#"saga_turned_back_total{cause="cancelled"}"#, 1.0),
        (r#"saga_transitions_total{definition="order",event="operator"}"#, 1.0),
        ("saga_waiters", 0.0),
    ]);
    Ok(())
}

#[tokio::test]
async fn servers_that_are_away_are_counted_while_they_are() -> Result<()> {
    let world = World::builder().through_proxies().start().await?;
    let roads = world.roads_of(ORCHESTRATOR)?;
    // What is not confirmed is sent again by the next look, the first time perhaps by whoever fills
    // the queues that were new.
    for (key, times) in [("o-1", 1.0), ("o-2", 2.0)] {
        roads.broker.refuse()?;
        roads.broker.cut()?;
        Seen::until(&world, r#"saga_bus_state{state="down"}"#, 1.0).await?;
        let id = world.begin("/orders", &order(key)).await?;
        let unsent = r#"saga_commands_unconfirmed_total{reason="down"}"#;
        let seen = Seen::until(&world, unsent, times).await?;
        seen.is(&[(r#"saga_bus_state{state="up"}"#, 0.0)]);
        roads.broker.heal()?;
        Seen::until(&world, r#"saga_bus_state{state="up"}"#, 1.0).await?;
        Seen::until(&world, "saga_bus_connections_total", times + 1.0).await?;
        world.until_status(&id, "completed").await?;
    }
    Seen::until(&world, r#"saga_commands_resent_total{participant="payment"}"#, 1.0).await?;

    let failed = r#"saga_database_errors_total{class="transient"}"#;
    let before = Seen::now(&world).await?.value(failed);
    roads.database.refuse()?;
    roads.database.cut()?;
    assert_eq!(world.get("/v1/sagas").await?.status, 503);
    let seen = Seen::now(&world).await?;
    assert!(seen.value(failed) > before, "{:#?}", seen.0);
    roads.database.heal()?;
    assert_eq!(world.place("/orders", &order("o-3")).await?["status"], "completed");
    Ok(())
}
