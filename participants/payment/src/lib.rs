//! Payment: charges customers and gives the money back.

use anyhow::Context as _;
use saga_participant::{Context, Error, Participant, Refusal, Tx, Undo};
use serde::{Deserialize, Serialize};

/// What a customer has who was never seen before, in minor units.
const FIRST_BALANCE: i64 = 1_000_000;
/// The largest amount: what every JSON parser reads exactly.
const AMOUNT_MAX: i64 = (1 << 53) - 1;

/// Payment with its actions and its tables.
#[must_use]
pub fn participant() -> Participant {
    Participant::new("payment")
        .action("charge", charge)
        .compensation("refund", refund)
        .schema(include_str!("schema.sql"))
}

/// Whom to charge, and how much.
#[derive(Deserialize)]
struct Charge {
    customer_id: String,
    /// In minor units.
    amount: i64,
    currency: String,
}

#[derive(Serialize)]
struct Charged {
    charge_id: String,
}

#[derive(Serialize)]
struct Refunded {
    refunded: i64,
}

async fn charge(tx: &mut Tx, input: Charge, context: &Context) -> Result<Charged, Error> {
    validate(&input)?;
    if !take(tx, &input).await? {
        open_account(tx, &input.customer_id).await?;
        if !take(tx, &input).await? {
            let message = format!("the balance does not cover {}", input.amount);
            return Err(Refusal::new("insufficient_funds", message).into());
        }
    }
    // Derived, not drawn: whoever looks for a charge finds it by its saga.
    let charge_id = format!("ch_{}_{}", context.saga_id, context.step);
    let sql = "insert into charge
            (saga_id, step, charge_id, customer_id, amount, currency, status)
        values ($1, $2, $3, $4, $5, $6, 'charged')";
    let Charge { customer_id, amount, currency } = &input;
    let (saga_id, step) = (&context.saga_id, &context.step);
    tx.execute(sql, &[saga_id, step, &charge_id, customer_id, amount, currency]).await?;
    Ok(Charged { charge_id })
}

/// Gives back what was recorded, whatever the command says.
async fn refund(tx: &mut Tx, _undo: Undo, context: &Context) -> Result<Refunded, Error> {
    let sql = "update charge set status = 'refunded'
        where saga_id = $1 and step = $2 and status = 'charged'
        returning customer_id, amount";
    let charge = tx.fetch_optional(sql, &[&context.saga_id, &context.step]).await?;
    let charge = charge.context("there is no charge to refund")?;
    let (customer_id, amount) = (charge.get::<String>("customer_id")?, charge.get("amount")?);
    let sql = "update account set balance = balance + $2 where customer_id = $1";
    if tx.execute(sql, &[&customer_id, &amount]).await? != 1 {
        return Err(anyhow::anyhow!("the account that was charged is gone").into());
    }
    Ok(Refunded { refunded: amount })
}

fn validate(input: &Charge) -> Result<(), Refusal> {
    if !(1..=AMOUNT_MAX).contains(&input.amount) {
        let message = format!("an amount takes 1 to {AMOUNT_MAX} minor units");
        return Err(Refusal::new("invalid_amount", message));
    }
    let upper = |currency: &str| currency.bytes().all(|b| b.is_ascii_uppercase());
    if input.currency.len() != 3 || !upper(&input.currency) {
        return Err(Refusal::new("invalid_currency", "a currency takes three capital letters"));
    }
    if input.customer_id.is_empty() {
        return Err(Refusal::new("invalid_customer", "a customer's id is not empty"));
    }
    Ok(())
}

/// Whether the account is there and covers it.
async fn take(tx: &mut Tx, input: &Charge) -> Result<bool, Error> {
    let sql = "update account set balance = balance - $2 where customer_id = $1 and balance >= $2";
    Ok(tx.execute(sql, &[&input.customer_id, &input.amount]).await? == 1)
}

async fn open_account(tx: &mut Tx, customer_id: &String) -> Result<(), Error> {
    let sql = "insert into account (customer_id, balance) values ($1, $2) on conflict do nothing";
    tx.execute(sql, &[customer_id, &FIRST_BALANCE]).await?;
    Ok(())
}
