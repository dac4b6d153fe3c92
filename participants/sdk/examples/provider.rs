//! A participant whose effects are outside its database: it pays through somebody else's service.
//!
//! Here that service is a file with one line per call, so that whoever watches can count what was
//! asked of it: the same key twice is one payment, as it is with the providers that know such keys.

use std::{env, fs::OpenOptions, io::Write, time::Duration};

use anyhow::Context as _;
use saga_participant::{Context, Error, Participant, Undo};
use serde::{Deserialize, Serialize};

/// The provider answers within this, or not at all; a crash of ours is noticed half a minute later.
const WITHIN: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Pay {
    amount: i64,
}

#[derive(Deserialize, Serialize)]
struct Paid {
    receipt: String,
}

async fn pay(input: Pay, context: &Context) -> Result<Paid, Error> {
    let receipt = context.idempotency_key();
    call(&format!("pay {receipt} {}", input.amount))?;
    Ok(Paid { receipt })
}

/// Also called where nobody knows whether the payment was made: the provider then voids its key.
async fn repay(_undo: Undo, context: &Context) -> Result<Paid, Error> {
    let receipt = context.action_key();
    call(&format!("repay {receipt}"))?;
    Ok(Paid { receipt })
}

/// Asks the provider.
fn call(line: &str) -> anyhow::Result<()> {
    let path = env::var("PROVIDER_FILE").context("`PROVIDER_FILE` names the provider's file")?;
    let mut provider = OpenOptions::new().create(true).append(true).open(path)?;
    provider.write_all(format!("{line}\n").as_bytes()).context("the provider does not answer")
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Participant::new("provider")
        .external("pay", pay)
        .within(WITHIN)
        .external_compensation("repay", repay)
        .within(WITHIN)
        .run()
        .await
}
