//! Inventory: reserves goods and lets them go again.

use std::collections::BTreeMap;

use saga_participant::{Context, Error, Participant, Refusal, Tx, Undo};
use serde::{Deserialize, Serialize};

/// Articles in one reservation: each is a statement or two, and a locked row of the stock.
const ITEMS_MAX: usize = 1_000;

/// Inventory with its actions and its tables.
#[must_use]
pub fn participant() -> Participant {
    Participant::new("inventory")
        .action("reserve", reserve)
        .compensation("release", release)
        .schema(include_str!("schema.sql"))
}

/// What to reserve.
#[derive(Deserialize)]
struct Reserve {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    sku: String,
    quantity: i64,
}

#[derive(Serialize)]
struct Reserved {
    reserved: i64,
}

#[derive(Serialize)]
struct Released {
    released: i64,
}

async fn reserve(tx: &mut Tx, input: Reserve, context: &Context) -> Result<Reserved, Error> {
    let wanted = summed(input.items)?;
    // In the order of the articles, like everybody who locks the stock: so two orders never wait
    // for each other.
    for (sku, quantity) in &wanted {
        take(tx, sku, *quantity).await?;
        let sql = "insert into reservation (saga_id, step, sku, quantity, status)
            values ($1, $2, $3, $4, 'reserved')";
        tx.execute(sql, &[&context.saga_id, &context.step, sku, quantity]).await?;
    }
    Ok(Reserved { reserved: wanted.values().sum() })
}

/// Gives back what was recorded, whatever the command says.
async fn release(tx: &mut Tx, _undo: Undo, context: &Context) -> Result<Released, Error> {
    let sql = "update reservation set status = 'released'
        where saga_id = $1 and step = $2 and status = 'reserved'
        returning sku, quantity";
    let mut reserved = BTreeMap::new();
    for row in tx.fetch_all(sql, &[&context.saga_id, &context.step]).await? {
        reserved.insert(row.get::<String>("sku")?, row.get::<i64>("quantity")?);
    }
    if reserved.is_empty() {
        return Err(anyhow::anyhow!("there is no reservation to release").into());
    }
    let sql = "update stock set available = available + $2 where sku = $1";
    for (sku, quantity) in &reserved {
        if tx.execute(sql, &[sku, quantity]).await? != 1 {
            return Err(anyhow::anyhow!("the reserved article `{sku}` is gone").into());
        }
    }
    Ok(Released { released: reserved.values().sum() })
}

/// The quantity of each article, in order; an article may stand in an order more than once.
fn summed(items: Vec<Item>) -> Result<BTreeMap<String, i64>, Refusal> {
    if items.is_empty() || items.len() > ITEMS_MAX {
        let message = format!("a reservation takes 1 to {ITEMS_MAX} items");
        return Err(Refusal::new("invalid_items", message));
    }
    let mut wanted = BTreeMap::<String, i64>::new();
    let mut total = 0_i64;
    for Item { sku, quantity } in items {
        let sum = total.checked_add(quantity).filter(|_| quantity > 0);
        total = sum.ok_or_else(|| {
            let message = format!("{quantity} is no quantity of `{sku}` that can be reserved");
            Refusal::new("invalid_quantity", message)
        })?;
        *wanted.entry(sku).or_default() += quantity;
    }
    Ok(wanted)
}

async fn take(tx: &mut Tx, sku: &String, quantity: i64) -> Result<(), Error> {
    let sql = "update stock set available = available - $2 where sku = $1 and available >= $2";
    if tx.execute(sql, &[sku, &quantity]).await? == 1 {
        return Ok(());
    }
    let sql = "select available from stock where sku = $1";
    let refusal = match tx.fetch_optional(sql, &[sku]).await? {
        None => Refusal::new("unknown_sku", format!("there is no article `{sku}`")),
        Some(_) => Refusal::new("out_of_stock", format!("there are no {quantity} of `{sku}`")),
    };
    Err(refusal.into())
}
