//! Participants that cannot tell: what is asked of them then, and how it ends. The test is the
//! participant, in plain messages, as one in any language could be.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use saga_bus::{Amqp, Bus, Consumer, Health, Publication, Settlement};
use saga_protocol::{Command, Fault, Outcome, Phase, Reply, ReplyBody, Timestamp, topology};
use saga_tests::{World, check_sagas, order, step_of};
use serde_json::{Value, json, value::to_raw_value};

/// Far above what anything here takes.
const SOON: Duration = Duration::from_secs(60);

/// The participant `oracle`.
struct Oracle {
    bus: Amqp,
    consumer: Box<dyn Consumer>,
}

impl Oracle {
    async fn open(world: &World) -> Result<Self> {
        let bus = world.bus()?;
        bus.health().wait_for(|health| matches!(health, Health::Up { .. })).await?;
        let queue = topology::command_queue(&"oracle".parse()?);
        let consumer = bus.consume(&queue, 1).await;
        Ok(Self { bus, consumer })
    }

    /// Takes the next command, whatever it is.
    async fn next(&mut self) -> Result<Command> {
        let taken = tokio::time::timeout(SOON, self.consumer.receive(1)).await?;
        let delivery = taken.context("the bus is open")?.pop().context("one came")?;
        let command = Command::from_message(&delivery.message)?;
        (delivery.settle)(Settlement::Acknowledge);
        Ok(command)
    }

    /// Takes the next command, which is to be this one.
    async fn asked(&mut self, phase: Phase, action: &str) -> Result<Command> {
        let command = self.next().await.with_context(|| format!("no {phase} came"))?;
        ensure!((command.phase, &*command.action) == (phase, action), "another: {command:?}");
        Ok(command)
    }

    async fn answer(&self, command: &Command, body: &ReplyBody) -> Result<()> {
        let message = Reply::message(command, body.to_bytes(), Timestamp::wall_clock());
        let (exchange, routing_key) = (topology::REPLIES, "oracle".to_owned());
        let batch = vec![Publication { exchange, routing_key, message }];
        self.bus.publish(batch).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(())
    }
}

fn cannot_tell() -> ReplyBody {
    let fault = Fault::new("clouded", "the future is clouded");
    ReplyBody::not_completed(Outcome::Unknown, fault)
}

fn foretold() -> Result<ReplyBody> {
    Ok(ReplyBody::completed(Some(to_raw_value(&json!({ "answer": 42 }))?)))
}

/// What the journal says of each event, by type, phase and outcome.
async fn told(world: &World, id: &str) -> Result<Vec<String>> {
    let words = |row: &Value| {
        let event = &row["entry"]["event"];
        let words = ["type", "phase", "outcome"].map(|field| event[field].as_str());
        words.into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let journal = world.journal(id).await?;
    Ok(journal.iter().filter(|row| row["entry"]["event"]["step"] == "oracle").map(words).collect())
}

#[tokio::test]
async fn who_cannot_tell_is_asked_what_became_of_it() -> Result<()> {
    let world = World::start().await?;
    let mut oracle = Oracle::open(&world).await?;
    let id = world.begin("/asking", &order("o-1")).await?;
    let action = oracle.asked(Phase::Action, "foretell").await?;
    oracle.answer(&action, &cannot_tell()).await?;
    // The question says what was asked before; a second attempt comes beside it.
    let (mut query, mut again) = (None, None);
    for _ in 0..2 {
        let command = oracle.next().await?;
        match command.phase {
            Phase::Query => query = Some(command),
            _ => again = Some(command),
        }
    }
    let (query, again) = (query.context("it is asked")?, again.context("it is tried again")?);
    assert_eq!((&*query.action, &query.body), ("recall", &action.body));
    assert_eq!((again.attempt, &again.body), (2, &action.body));
    oracle.answer(&query, &foretold()?).await?;

    let saga = world.until_status(&id, "completed").await?;
    let step = step_of(&saga, "oracle");
    assert_eq!((&step["status"], &step["output"]["answer"]), (&json!("completed"), &json!(42)));
    let expected = ["reply action unknown", "reply query completed"];
    assert_eq!(told(&world, &id).await?, expected);
    // What the attempt beside it says after that is a repeat.
    oracle.answer(&again, &foretold()?).await?;
    oracle.bus.close().await;
    Ok(())
}

#[tokio::test]
async fn what_nobody_can_tell_is_undone() -> Result<()> {
    let world = World::start().await?;
    let mut oracle = Oracle::open(&world).await?;
    let id = world.begin("/asking", &order("o-1")).await?;
    let action = oracle.asked(Phase::Action, "foretell").await?;
    // Neither question nor attempt gets more than that.
    oracle.answer(&action, &cannot_tell()).await?;
    let undo = loop {
        let command = oracle.next().await?;
        match command.phase {
            Phase::Compensation => break command,
            Phase::Action | Phase::Query => oracle.answer(&command, &cannot_tell()).await?,
        }
    };
    let body: Value = serde_json::from_slice(&undo.body)?;
    assert_eq!((&*undo.action, &body["action"]), ("forget", &json!("unknown")));
    assert_eq!((&body["input"], &body["output"]), (&json!({ "question": "o-1" }), &Value::Null));
    oracle.answer(&undo, &ReplyBody::completed(None)).await?;

    let saga = world.until_status(&id, "compensated").await?;
    assert_eq!(
        (&saga["cause"]["code"], &saga["cause"]["step"]),
        (&json!("clouded"), &json!("oracle"))
    );
    let step = step_of(&saga, "oracle");
    assert_eq!((&step["status"], &step["attempts"]), (&json!("compensated"), &json!(2)));
    assert_eq!(step_of(&saga, "inventory")["status"], "compensated");
    check_sagas(&world.db).await?;
    oracle.bus.close().await;
    Ok(())
}
