//! A participant that charges cards at a provider and sells things from its own database.

use std::{future::pending, sync::Arc, time::Duration};

use saga_participant::{
    Command, Context, Error, Knowledge, Participant, Row, Service, Tx, Undo,
    testing::{self, action, compensation},
};
use serde_json::{Value, json};

use crate::provider::Provider;

/// Far longer than anything here takes on a machine that is busy compiling.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for nothing but to be over.
pub(crate) const AT_ONCE: Duration = Duration::from_millis(1);
const SCHEMA: &str = "
create table sale (saga_id uuid not null, returned boolean not null);
create table door (opened bigint not null);
insert into door (opened) values (0);
";

/// A database, a provider, and as many replicas as a test wants.
pub(crate) struct World {
    pub(crate) url: String,
    pub(crate) provider: Arc<Provider>,
    /// A replica that serves nothing: it sees what is committed.
    auditor: Service,
}

impl World {
    pub(crate) async fn new(url: &str) -> Self {
        let provider = Arc::default();
        let auditor = participant(&provider).connect(url).await.unwrap();
        Self { url: url.to_owned(), provider, auditor }
    }

    /// A participant that is ready to serve, as often as one likes.
    pub(crate) async fn replica(&self) -> Service {
        self.replica_at(&self.url).await
    }

    /// The same, which reaches the database there.
    pub(crate) async fn replica_at(&self, url: &str) -> Service {
        participant(&self.provider).connect(url).await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        testing::run(&self.auditor, sql, &[]).await[0].get("found").unwrap()
    }

    /// What the barrier has of a command's saga, by phase and word.
    pub(crate) async fn outcomes(&self, of: &Command) -> String {
        let sql = "select phase, outcome from barrier where saga_id = $1 order by phase";
        let rows = testing::run(&self.auditor, sql, &[&of.saga_id]).await;
        let word = |row: &Row, name| row.get::<String>(name).unwrap();
        let line = |row: &Row| format!("{} {}", word(row, "phase"), word(row, "outcome"));
        rows.iter().map(line).collect::<Vec<_>>().join(", ")
    }

    /// Lets the lease of every intent pass.
    pub(crate) async fn let_leases_pass(&self) {
        let sql = match self.url.starts_with("sqlite") {
            true => "update barrier set until = 0 where until is not null",
            false => "update barrier set until = timestamptz 'epoch' where until is not null",
        };
        testing::run(&self.auditor, sql, &[]).await;
    }
}

pub(crate) fn participant(provider: &Arc<Provider>) -> Participant {
    let charge = {
        let provider = Arc::clone(provider);
        move |_: Value, context: &Context| {
            let (provider, key) = (Arc::clone(&provider), context.idempotency_key());
            async move { provider.charge(key).await }
        }
    };
    let refund = {
        let provider = Arc::clone(provider);
        move |_: Undo, context: &Context| {
            let (provider, context) = (Arc::clone(&provider), context.clone());
            async move { provider.refund(&context) }
        }
    };
    Participant::new("shop")
        .external("charge", charge.clone())
        .external("charge_quickly", charge)
        .within(AT_ONCE)
        .external_compensation("refund", refund)
        .compensation("write_off", write_off)
        .action("sell", sell)
        .compensation("take_back", take_back)
        .action("sell_slowly", sell_slowly)
        .within(AT_ONCE)
        .schema(SCHEMA)
}

async fn sell(tx: &mut Tx, _: Value, context: &Context) -> Result<Value, Error> {
    // Counted, not guarded: only the barrier keeps it at one.
    let sql = "insert into sale (saga_id, returned) values ($1, false)";
    tx.execute(sql, &[&context.saga_id]).await?;
    tx.execute("update door set opened = opened + 1", &[]).await?;
    Ok(json!({}))
}

async fn sell_slowly(_: &mut Tx, _: Value, _: &Context) -> Result<Value, Error> {
    pending().await
}

async fn take_back(tx: &mut Tx, _: Undo, context: &Context) -> Result<(), Error> {
    let sql = "update sale set returned = true where saga_id = $1 and not returned";
    match tx.execute(sql, &[&context.saga_id]).await? {
        1 => Ok(()),
        _ => Err(anyhow::anyhow!("there is no sale to take back").into()),
    }
}

/// The undo of a charge in the participant's own books.
async fn write_off(tx: &mut Tx, _: Undo, context: &Context) -> Result<(), Error> {
    let sql = "insert into sale (saga_id, returned) values ($1, true)";
    tx.execute(sql, &[&context.saga_id]).await?;
    Ok(())
}

pub(crate) fn sale() -> Command {
    action("shop", "sell", &json!({}))
}

pub(crate) fn charge() -> Command {
    action("shop", "charge", &json!({ "amount": 4200 }))
}

/// The compensation of this name, by one who does not know what became of the action.
pub(crate) fn undo(of: &Command, name: &str) -> Command {
    compensation(of, name, Knowledge::Unknown, None)
}

pub(crate) fn next_attempt(command: &Command) -> Command {
    Command { attempt: command.attempt + 1, ..command.clone() }
}

/// The idempotency key that a command has at the provider.
pub(crate) fn key(command: &Command) -> String {
    format!("{}/{}/{}", command.saga_id, command.step, command.phase)
}
