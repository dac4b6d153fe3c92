//! Shipping: books parcels and cancels them.

use saga_participant::{Context, Error, Participant, Refusal, Tx, Undo};
use serde::{Deserialize, Serialize};

/// Countries, by ISO 3166-1 alpha-2, that no parcel goes to.
const NOT_SERVED: [&str; 1] = ["AQ"];

/// Shipping with its actions and its tables.
#[must_use]
pub fn participant() -> Participant {
    Participant::new("shipping")
        .action("schedule", schedule)
        .compensation("cancel", cancel)
        .schema(include_str!("schema.sql"))
}

/// Where the parcel goes. Whatever else the command says is for others.
#[derive(Deserialize)]
struct Schedule {
    address: Address,
}

#[derive(Deserialize)]
struct Address {
    country: String,
}

#[derive(Serialize)]
struct Scheduled {
    shipment_id: String,
}

#[derive(Serialize)]
struct Cancelled {
    shipment_id: String,
}

async fn schedule(tx: &mut Tx, input: Schedule, context: &Context) -> Result<Scheduled, Error> {
    let country = input.address.country;
    if NOT_SERVED.contains(&country.to_ascii_uppercase().as_str()) {
        let message = format!("no parcel goes to `{country}`");
        return Err(Refusal::new("address_not_served", message).into());
    }
    // Derived, not drawn: whoever looks for a shipment finds it by its saga.
    let shipment_id = format!("sh_{}_{}", context.saga_id, context.step);
    let sql = "insert into shipment (saga_id, step, shipment_id, country, status)
        values ($1, $2, $3, $4, 'scheduled')";
    tx.execute(sql, &[&context.saga_id, &context.step, &shipment_id, &country]).await?;
    Ok(Scheduled { shipment_id })
}

/// Cancels what was recorded, whatever the command says.
async fn cancel(tx: &mut Tx, _undo: Undo, context: &Context) -> Result<Cancelled, Error> {
    let sql = "update shipment set status = 'cancelled'
        where saga_id = $1 and step = $2 and status = 'scheduled'
        returning shipment_id";
    let row = tx.fetch_optional(sql, &[&context.saga_id, &context.step]).await?;
    let Some(row) = row else {
        return Err(anyhow::anyhow!("there is no shipment to cancel").into());
    };
    Ok(Cancelled { shipment_id: row.get("shipment_id")? })
}
