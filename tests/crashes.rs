//! Every point at which a process can fail, failed at: it is killed there, panics, or does not know
//! whether its commit was one; then all goes on, nothing is lost, and nothing is done twice.
//!
//! The points are those of `saga_runtime::failpoint`; debug builds have them, and a process is told
//! of one by `SAGA_FAIL`.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use lab::{Binary, End, Member, Who, wait};
use reqwest::StatusCode;
use saga_bus::{Bus, Publication};
use saga_protocol::{Message, topology};
use saga_runtime::failpoint::{Action, Point};
use saga_tests::{FAIL, World, check_sagas, order, order_with};
use serde_json::{Value, json};

/// Far above what anything here takes, a lease that must pass included; reached when something is
/// broken.
const SOON: Duration = Duration::from_secs(90);
const ORCHESTRATOR: Who = Who::Orchestrator(0);
const PAYMENT: Who = Who::Participant("payment", 0);
const INVENTORY: Who = Who::Participant("inventory", 0);
const SHIPPING: Who = Who::Participant("shipping", 0);

/// What leads to a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Being started.
    Start,
    /// An order that completes.
    Order,
    /// An order that is undone.
    Refused,
    /// An order whose second step is not answered in time.
    Timeout,
    /// An order that waits for its last step, and is cancelled then.
    Cancel,
    /// An order that waits for its last step for more than a moment.
    Waiting,
    /// An order while the queue of its first step is lost.
    LostQueue,
    /// A message that broker or participant gave up.
    DeadLetter,
}

/// A point, who fails there, how, what leads to it, and the how manieth time it is reached: an
/// order that is refused at its last step is on its way back at the fourth.
type Case = (Point, Who, Action, Scene, u32);

/// Starts and orders.
const FRONT: &[Case] = &[
    (Point::StartBeforeCommit, ORCHESTRATOR, Action::Kill, Scene::Order, 1),
    (Point::StartBeforeCommit, ORCHESTRATOR, Action::Error, Scene::Order, 1),
    (Point::StartBeforeCommit, ORCHESTRATOR, Action::Panic, Scene::Order, 1),
    (Point::StartAfterCommit, ORCHESTRATOR, Action::Kill, Scene::Order, 1),
    (Point::StartAfterCommit, ORCHESTRATOR, Action::Error, Scene::Refused, 1),
    (Point::StartAfterCommit, ORCHESTRATOR, Action::Panic, Scene::Order, 1),
    (Point::StartBeforeRespond, ORCHESTRATOR, Action::Kill, Scene::Order, 1),
    (Point::OrderBeforeCommit, ORCHESTRATOR, Action::Kill, Scene::Cancel, 1),
    (Point::OrderBeforeCommit, ORCHESTRATOR, Action::Error, Scene::Cancel, 1),
    (Point::OrderAfterCommit, ORCHESTRATOR, Action::Kill, Scene::Cancel, 1),
    (Point::OrderAfterCommit, ORCHESTRATOR, Action::Error, Scene::Cancel, 1),
    (Point::BootMigrated, ORCHESTRATOR, Action::Kill, Scene::Start, 1),
    (Point::BootDeclared, ORCHESTRATOR, Action::Kill, Scene::Start, 1),
];

/// Replies and what is published for them.
const MIDDLE: &[Case] = &[
    (Point::ReplyBeforeCommit, ORCHESTRATOR, Action::Kill, Scene::Order, 1),
    (Point::ReplyBeforeCommit, ORCHESTRATOR, Action::Error, Scene::Refused, 4),
    (Point::ReplyBeforeCommit, ORCHESTRATOR, Action::Panic, Scene::Order, 1),
    (Point::ReplyDeciding, ORCHESTRATOR, Action::Kill, Scene::Refused, 4),
    (Point::ReplyDeciding, ORCHESTRATOR, Action::Panic, Scene::Order, 1),
    (Point::ReplyAfterCommit, ORCHESTRATOR, Action::Kill, Scene::Refused, 4),
    (Point::ReplyAfterCommit, ORCHESTRATOR, Action::Error, Scene::Order, 1),
    (Point::ReplyAfterCommit, ORCHESTRATOR, Action::Panic, Scene::Refused, 4),
    (Point::ReplyBeforeAck, ORCHESTRATOR, Action::Kill, Scene::Order, 1),
    (Point::ReplyBeforeAck, ORCHESTRATOR, Action::Panic, Scene::Refused, 4),
    (Point::PublishBefore, ORCHESTRATOR, Action::Kill, Scene::Order, 1),
    (Point::PublishBefore, ORCHESTRATOR, Action::Panic, Scene::Refused, 4),
    (Point::PublishBeforeConfirm, ORCHESTRATOR, Action::Kill, Scene::Refused, 4),
    (Point::PublishAfterConfirm, ORCHESTRATOR, Action::Kill, Scene::Order, 1),
    (Point::PublishAfterConfirm, ORCHESTRATOR, Action::Panic, Scene::Refused, 4),
];

/// Timers, lost queues and dead letters.
const BACK: &[Case] = &[
    (Point::DueDeciding, ORCHESTRATOR, Action::Kill, Scene::Timeout, 1),
    (Point::DueDeciding, ORCHESTRATOR, Action::Panic, Scene::Timeout, 1),
    (Point::DueAfterCommit, ORCHESTRATOR, Action::Kill, Scene::Timeout, 1),
    (Point::DueAfterCommit, ORCHESTRATOR, Action::Error, Scene::Timeout, 1),
    (Point::PostponeBefore, ORCHESTRATOR, Action::Kill, Scene::Waiting, 1),
    (Point::PostponeBefore, ORCHESTRATOR, Action::Panic, Scene::Waiting, 1),
    (Point::RestoreBefore, ORCHESTRATOR, Action::Kill, Scene::LostQueue, 1),
    (Point::RestoreBefore, ORCHESTRATOR, Action::Panic, Scene::LostQueue, 1),
    (Point::LetterBeforePark, ORCHESTRATOR, Action::Kill, Scene::DeadLetter, 1),
    (Point::LetterBeforeAck, ORCHESTRATOR, Action::Kill, Scene::DeadLetter, 1),
    (Point::LetterBeforeAck, ORCHESTRATOR, Action::Panic, Scene::DeadLetter, 1),
];

/// A participant's own points, in both directions.
const PARTICIPANT: &[Case] = &[
    (Point::ParticipantBeforeCommit, PAYMENT, Action::Kill, Scene::Order, 1),
    (Point::ParticipantBeforeCommit, PAYMENT, Action::Error, Scene::Refused, 2),
    (Point::ParticipantAfterCommit, PAYMENT, Action::Kill, Scene::Order, 1),
    (Point::ParticipantAfterCommit, PAYMENT, Action::Error, Scene::Refused, 2),
    (Point::ParticipantAfterCommit, SHIPPING, Action::Kill, Scene::Refused, 1),
    (Point::ParticipantBeforeReply, INVENTORY, Action::Kill, Scene::Order, 1),
    (Point::ParticipantBeforeAck, INVENTORY, Action::Kill, Scene::Refused, 2),
];

/// The points of a participant whose effects are outside its database.
const ELSEWHERE: &[(Point, &str)] = &[
    (Point::IntentAfterCommit, "after-the-intent"),
    (Point::IntentAfterCall, "after-the-call"),
    (Point::IntentAfterResult, "after-the-result"),
];

#[tokio::test]
async fn starts_and_orders_survive_every_point() -> Result<()> {
    Stage::new().await?.play(FRONT).await
}

#[tokio::test]
async fn replies_survive_every_point() -> Result<()> {
    Stage::new().await?.play(MIDDLE).await
}

#[tokio::test]
async fn timers_lost_queues_and_dead_letters_survive_every_point() -> Result<()> {
    Stage::new().await?.play(BACK).await
}

#[tokio::test]
async fn participants_survive_every_point() -> Result<()> {
    Stage::new().await?.play(PARTICIPANT).await
}

#[tokio::test]
async fn effects_elsewhere_survive_every_point() -> Result<()> {
    // Each waits until the lease of whoever died has passed, so they do it side by side.
    let played = ELSEWHERE.iter().map(|(point, key)| elsewhere(*point, key));
    futures_util::future::try_join_all(played).await.map(|_| ())
}

/// A participant that pays through somebody else's service dies at this point: the order completes,
/// and however often the provider was called, it was asked for one payment.
async fn elsewhere(point: Point, key: &str) -> Result<()> {
    let world = World::start().await?;
    let settings = &world.system.settings;
    let file = settings.logs.join(format!("provider-of-{key}"));
    let provider = Binary::new("examples/provider")
        .env("AMQP_URL", &settings.amqp_url)
        .env("DATABASE_URL", &settings.database_url)
        .env("PROVIDER_FILE", file.display().to_string())
        .env(FAIL, format!("{}:kill:1", point.name()));
    let mut provider = Member::start(provider)?;
    let actor =
        Actor { http: world.http.clone(), url: world.system.url.clone(), name: key.to_owned() };
    actor.post("outside", &order(key)).await?;
    let end = provider.end(SOON).await?;
    ensure!(end == End::KILL9, "it ended otherwise: {end:?}");
    provider.set_env(FAIL, None);
    provider.restart()?;
    let saga = actor.ends().await?;
    ensure!(saga["status"] == "completed", "it did not complete: {saga:#}");
    let calls = fs::read_to_string(&file)?;
    let paid: BTreeSet<_> = calls.lines().collect();
    ensure!(paid.len() == 1, "the provider was asked for {paid:?}");
    Ok(())
}

#[test]
fn every_point_is_failed_at() {
    let cases = [FRONT, MIDDLE, BACK, PARTICIPANT].concat();
    let killed = |point: &Point| {
        let elsewhere = ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == point);
        elsewhere || cases.iter().any(|case| case.0 == *point && case.2 == Action::Kill)
    };
    let left: BTreeSet<_> = Point::ALL.iter().copied().filter(|point| !killed(point)).collect();
    assert_eq!(left, BTreeSet::new(), "nobody is killed at these");
}

/// A world in which processes fail, one after the other.
struct Stage {
    world: World,
    letters: i64,
}

/// Whoever acts while somebody else fails.
struct Actor {
    http: reqwest::Client,
    url: String,
    name: String,
}

impl Stage {
    async fn new() -> Result<Self> {
        Ok(Self { world: World::start().await?, letters: 0 })
    }

    /// Plays all cases, and looks at what is left.
    async fn play(mut self, cases: &[Case]) -> Result<()> {
        for (number, case) in cases.iter().enumerate() {
            let (point, _, action, scene, nth) = case;
            let name = format!("{number}: {} {action:?} {nth} {scene:?}", point.name());
            self.case(number, *case).await.with_context(|| name)?;
        }
        const LETTERS: &str = "select count(*) from saga.dead_letter";
        let kept = async || (self.world.count(LETTERS).await.ok()? >= self.letters).then_some(());
        wait::until("all dead letters to be kept", SOON, kept).await?;
        self.world.system.stop();
        assert_eq!(self.world.count(LETTERS).await?, self.letters, "each is kept once");
        check_sagas(&self.world.db).await.map(|_| ())
    }

    async fn case(&mut self, number: usize, (point, who, action, scene, nth): Case) -> Result<()> {
        self.arm(who, point, action, nth).await?;
        if scene != Scene::Start {
            self.member(who)?.ready().await?;
        }
        let held = match scene {
            Scene::Timeout => Some(INVENTORY),
            Scene::Cancel | Scene::Waiting => Some(SHIPPING),
            Scene::LostQueue => Some(PAYMENT),
            Scene::Start | Scene::Order | Scene::Refused | Scene::DeadLetter => None,
        };
        if let Some(held) = held {
            self.member(held)?.stop()?;
        }
        let actor = Actor {
            http: self.world.http.clone(),
            url: self.world.system.url.clone(),
            name: format!("crash-{number}"),
        };
        let failing = async {
            self.provoke(scene, &actor).await?;
            self.failed(who, action).await?;
            self.mend(who, action).await
        };
        tokio::try_join!(actor.act(scene), failing)?;
        if let Some(held) = held {
            self.member(held)?.cont()?;
        }
        actor.ends().await.map(|_| ())
    }

    /// Has a process fail there from its next start on, and starts it.
    async fn arm(&mut self, who: Who, point: Point, action: Action, nth: u32) -> Result<()> {
        let action = match action {
            Action::Kill => "kill",
            Action::Stop => "stop",
            Action::Error => "error",
            Action::Panic => "panic",
        };
        let member = self.world.system.member_mut(who).context("it was started")?;
        member.set_env(FAIL, Some(&format!("{}:{action}:{nth}", point.name())));
        member.restart()
    }

    /// What only the world can do.
    async fn provoke(&mut self, scene: Scene, actor: &Actor) -> Result<()> {
        match scene {
            Scene::LostQueue => {
                actor.until("the order to be there", |saga| saga["status"] == "running").await?;
                let queue = format!("{}.payment", topology::COMMANDS);
                self.world.queues.delete(&queue).await
            }
            Scene::DeadLetter => {
                self.letters += 1;
                let bus = self.world.bus()?;
                let message = Message::new(Bytes::from(actor.name.clone()));
                let exchange = topology::DEAD_LETTER_EXCHANGE;
                let letter = Publication { exchange, routing_key: String::new(), message };
                let sent = wait::until("the letter to be taken", SOON, async || {
                    bus.publish(vec![letter.clone()]).await.iter().all(Result::is_ok).then_some(())
                });
                sent.await?;
                bus.close().await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Waits until it has failed.
    async fn failed(&self, who: Who, action: Action) -> Result<()> {
        let member = self.member(who)?;
        if action == Action::Kill {
            let end = member.end(SOON).await?;
            ensure!(end == End::KILL9, "it ended otherwise: {end:?}");
            return Ok(());
        }
        let log = member.process().log();
        let said = async || {
            fs::read_to_string(log).is_ok_and(|said| said.contains("failing as told")).then_some(())
        };
        wait::until("the failure", SOON, said).await.with_context(|| member.process().log_tail())
    }

    /// Has it fail no more.
    async fn mend(&mut self, who: Who, action: Action) -> Result<()> {
        let member = self.world.system.member_mut(who).context("it was started")?;
        member.set_env(FAIL, None);
        if action == Action::Kill {
            member.restart()?;
            member.ready().await?;
        }
        Ok(())
    }

    fn member(&self, who: Who) -> Result<&lab::Member> {
        self.world.system.member(who).context("it was started")
    }
}

impl Actor {
    async fn act(&self, scene: Scene) -> Result<()> {
        let order = match scene {
            Scene::Refused => order_with(&self.name, "/address/country", json!("AQ")),
            _ => order(&self.name),
        };
        let path = if scene == Scene::Timeout { "hasty" } else { "orders" };
        self.post(path, &order).await?;
        if scene == Scene::Cancel {
            let running = |saga: &Value| saga["steps"][2]["status"] == "running";
            let saga = self.until("its last step to be asked for", running).await?;
            let id = saga["id"].as_str().context("a saga has an id")?;
            let cancel = json!({ "reason": "it is tried" });
            self.post(&format!("v1/sagas/{id}/cancel"), &cancel).await?;
        }
        Ok(())
    }

    /// Posts until it is answered with success, as a client that does not give up.
    async fn post(&self, path: &str, body: &Value) -> Result<()> {
        let posted = wait::until(path, SOON, async || {
            let request = self.http.post(format!("{}/{path}", self.url));
            let request = request.header("idempotency-key", &self.name).json(body);
            let status = request.send().await.ok()?.status();
            (status != StatusCode::SERVICE_UNAVAILABLE).then_some(status)
        });
        let status = posted.await?;
        ensure!(status.is_success(), "{path} was answered {status}");
        Ok(())
    }

    /// Waits until its saga is so.
    async fn until(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let mut last = Value::Null;
        let url = format!("{}/v1/sagas?key={}", self.url, self.name);
        let seen = wait::until(what, SOON, async || {
            let answer = self.http.get(&url).send().await.ok()?;
            let mut page: Value = answer.json().await.ok()?;
            last = page.pointer_mut("/items/0")?.take();
            wanted(&last).then(|| last.clone())
        });
        seen.await.with_context(|| format!("{last:#}"))
    }

    /// Waits for the end of its saga.
    async fn ends(&self) -> Result<Value> {
        let ends = ["completed", "compensated"];
        self.until("its end", |saga| ends.iter().any(|end| saga["status"] == *end)).await
    }
}
