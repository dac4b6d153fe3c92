//! What is seen of a run on real parts, for the checker: SQL over the schemas of orchestrator and
//! participants.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, anyhow, bail};
use saga_checker::{Act, BarrierRow, Deed, Ended, Ledger, Seen, SeenSaga};
use saga_core::Definition;
use saga_protocol::{Json, SagaId};
use serde_json::value::RawValue;

use crate::rows::{Database, Row};

/// Every effect that ever was, with whether it is in force: what was undone is kept.
const EFFECTS: &str = "select cast(saga_id as text) as saga_id, step, 'payment' as participant,
        status = 'charged' as in_force
    from payment.charge
    union all
    select distinct cast(saga_id as text), step, 'inventory', status = 'reserved'
    from inventory.reservation
    union all
    select cast(saga_id as text), step, 'shipping', status = 'scheduled'
    from shipping.shipment";

/// What the barriers remember.
const BARRIER: &str =
    "select cast(saga_id as text) as saga_id, step, 'payment' as participant, phase, outcome
    from payment.barrier
    union all
    select cast(saga_id as text), step, 'inventory', phase, outcome from inventory.barrier
    union all
    select cast(saga_id as text), step, 'shipping', phase, outcome from shipping.barrier";

/// Accounts and shelves, as the participants fill them.
const LEDGERS: &str = "select 'money' as what, customer_id as name,
        cast(1000000 as bigint) as before, balance as now, cast(coalesce((
            select sum(amount) from payment.charge
            where charge.customer_id = account.customer_id and status = 'charged'), 0) as bigint)
        as taken
    from payment.account
    union all
    select 'stock', sku, cast(case sku when 'sku-rare' then 1 else 1000000 end as bigint),
        available, cast(coalesce((
            select sum(quantity) from inventory.reservation
            where reservation.sku = stock.sku and status = 'reserved'), 0) as bigint)
    from inventory.stock";

/// Reads everything.
pub(crate) async fn seen(db: &mut Database<'_>) -> Result<Seen> {
    let mut journals = journals(db).await?;
    let sagas = sagas(db, &mut journals).await?;
    let (mut acts, mut barrier) = (Vec::new(), Vec::new());
    for row in db.all(EFFECTS).await? {
        acts.extend(effect(&row)?);
    }
    for row in db.all(BARRIER).await? {
        barrier.push(barrier_row(&row)?);
    }
    let ledgers = db.all(LEDGERS).await?;
    Ok(Seen {
        ended: Ended::All,
        definitions: definitions(db).await?,
        sagas,
        orphans: journals.into_keys().collect(),
        acts,
        barrier,
        ledgers: ledgers.iter().map(ledger).collect::<Result<_>>()?,
        accepted: Vec::new(),
        told: Vec::new(),
        sent: Vec::new(),
        unprocessable: Vec::new(),
        letters: Vec::new(),
    })
}

async fn sagas(
    db: &mut Database<'_>,
    journals: &mut BTreeMap<SagaId, Vec<(i64, Json)>>,
) -> Result<Vec<SeenSaga>> {
    let sql = "select cast(id as text) as id, definition_hash, key, status, version,
            cast(input as text) as input, cast(state as text) as state,
            paused_at is not null as is_paused, wake_at is not null as wakes,
            finished_at is not null as is_finished, trouble
        from saga.saga order by id";
    let mut sagas = Vec::new();
    for row in db.all(sql).await? {
        let id = id(&row, "id")?;
        sagas.push(SeenSaga {
            id,
            definition_hash: row.text("definition_hash")?,
            key: row.text_or_null("key")?,
            status: row.text("status")?,
            version: row.number("version")?,
            input: RawValue::from_string(row.text("input")?)?,
            state: RawValue::from_string(row.text("state")?)?,
            is_paused: row.truth("is_paused")?,
            wakes: row.truth("wakes")?,
            is_finished: row.truth("is_finished")?,
            trouble: row.text_or_null("trouble")?,
            journal: journals.remove(&id).unwrap_or_default(),
        });
    }
    Ok(sagas)
}

async fn journals(db: &mut Database<'_>) -> Result<BTreeMap<SagaId, Vec<(i64, Json)>>> {
    let sql = "select cast(saga_id as text) as saga_id, version, cast(entry as text) as entry
        from saga.journal order by saga_id, version";
    let mut journals = BTreeMap::<_, Vec<_>>::new();
    for row in db.all(sql).await? {
        let entry = RawValue::from_string(row.text("entry")?)?;
        journals.entry(id(&row, "saga_id")?).or_default().push((row.number("version")?, entry));
    }
    Ok(journals)
}

async fn definitions(db: &mut Database<'_>) -> Result<BTreeMap<String, Arc<Definition>>> {
    let rows = db.all("select hash, cast(body as text) as body from saga.definition").await?;
    let parsed = rows.iter().map(|row| {
        let hash = row.text("hash")?;
        match Definition::from_canonical(&row.text("body")?) {
            Ok(definition) => Ok((hash, Arc::new(definition))),
            Err(wrong) => bail!("the stored definition `{hash}` cannot be read: {wrong:?}"),
        }
    });
    parsed.collect()
}

/// An effect that was undone is two acts.
fn effect(row: &Row) -> Result<Vec<Act>> {
    let act = |deed| -> Result<Act> {
        Ok(Act {
            saga_id: id(row, "saga_id")?,
            step: row.text("step")?.parse()?,
            participant: row.text("participant")?.parse()?,
            deed,
        })
    };
    let undone = (!row.truth("in_force")?).then(|| act(Deed::Undid));
    [Some(act(Deed::Did)), undone].into_iter().flatten().collect()
}

fn barrier_row(row: &Row) -> Result<BarrierRow> {
    Ok(BarrierRow {
        saga_id: id(row, "saga_id")?,
        step: row.text("step")?.parse()?,
        participant: row.text("participant")?.parse()?,
        phase: row.text("phase")?.parse().map_err(|error: String| anyhow!(error))?,
        is_completed: row.text("outcome")? == "completed",
    })
}

fn ledger(row: &Row) -> Result<Ledger> {
    let promise = match row.text("what")?.as_str() {
        "money" => "money is conserved",
        _ => "stock is conserved",
    };
    Ok(Ledger {
        promise,
        name: row.text("name")?,
        before: row.number("before")?,
        now: row.number("now")?,
        taken: row.number("taken")?,
    })
}

fn id(row: &Row, column: &str) -> Result<SagaId> {
    Ok(SagaId(row.text(column)?.parse()?))
}
