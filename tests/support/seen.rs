//! What is seen of a run on real parts, for the checker: SQL over the schemas of orchestrator and
//! participants, which must share one database.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, anyhow, bail};
use saga_checker::{Act, BarrierRow, Deed, Ended, Ledger, Seen, SeenSaga};
use saga_core::Definition;
use saga_protocol::{Json, SagaId};
use serde_json::value::RawValue;
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

/// Every effect that ever was, with whether it is in force: what was undone is kept.
const EFFECTS: &str =
    "select saga_id, step, 'payment' as participant, status = 'charged' as in_force
    from payment.charge
    union all
    select distinct saga_id, step, 'inventory', status = 'reserved' from inventory.reservation
    union all
    select saga_id, step, 'shipping', status = 'scheduled' from shipping.shipment";

/// What the barriers remember.
const BARRIER: &str = "select saga_id, step, 'payment' as participant, phase, outcome
    from payment.barrier
    union all
    select saga_id, step, 'inventory', phase, outcome from inventory.barrier
    union all
    select saga_id, step, 'shipping', phase, outcome from shipping.barrier";

/// Accounts and shelves, as the participants fill them.
const LEDGERS: &str = "select 'money' as what, customer_id as name, 1000000::bigint as before,
        balance as now, coalesce((
            select sum(amount) from payment.charge
            where charge.customer_id = account.customer_id and status = 'charged'), 0)::bigint
        as taken
    from payment.account
    union all
    select 'stock', sku, case sku when 'sku-rare' then 1 else 1000000 end::bigint, available,
        coalesce((
            select sum(quantity) from inventory.reservation
            where reservation.sku = stock.sku and status = 'reserved'), 0)::bigint
    from inventory.stock";

/// Reads everything.
pub(crate) async fn seen(db: &mut PgConnection) -> Result<Seen> {
    let mut journals = journals(db).await?;
    let sagas = sagas(db, &mut journals).await?;
    let (mut acts, mut barrier) = (Vec::new(), Vec::new());
    for row in sqlx::query(EFFECTS).fetch_all(&mut *db).await? {
        acts.extend(effect(&row)?);
    }
    for row in sqlx::query(BARRIER).fetch_all(&mut *db).await? {
        barrier.push(barrier_row(&row)?);
    }
    let ledgers = sqlx::query(LEDGERS).fetch_all(&mut *db).await?;
    Ok(Seen {
        ended: Ended::All,
        definitions: definitions(db).await?,
        sagas,
        orphans: journals.into_keys().map(SagaId).collect(),
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
    db: &mut PgConnection,
    journals: &mut BTreeMap<Uuid, Vec<(i64, Json)>>,
) -> Result<Vec<SeenSaga>> {
    let sql = "select id, definition_hash, key, status, version, input::text, state::text,
            paused_at is not null as is_paused, wake_at is not null as wakes,
            finished_at is not null as is_finished, trouble
        from saga.saga order by id";
    let mut sagas = Vec::new();
    for row in sqlx::query(sql).fetch_all(db).await? {
        let id: Uuid = row.try_get("id")?;
        sagas.push(SeenSaga {
            id: SagaId(id),
            definition_hash: row.try_get("definition_hash")?,
            key: row.try_get("key")?,
            status: row.try_get("status")?,
            version: row.try_get("version")?,
            input: RawValue::from_string(row.try_get("input")?)?,
            state: RawValue::from_string(row.try_get("state")?)?,
            is_paused: row.try_get("is_paused")?,
            wakes: row.try_get("wakes")?,
            is_finished: row.try_get("is_finished")?,
            trouble: row.try_get("trouble")?,
            journal: journals.remove(&id).unwrap_or_default(),
        });
    }
    Ok(sagas)
}

async fn journals(db: &mut PgConnection) -> Result<BTreeMap<Uuid, Vec<(i64, Json)>>> {
    let sql = "select saga_id, version, entry::text from saga.journal order by saga_id, version";
    let rows: Vec<(Uuid, i64, String)> = sqlx::query_as(sql).fetch_all(db).await?;
    let mut journals = BTreeMap::<_, Vec<_>>::new();
    for (id, version, entry) in rows {
        journals.entry(id).or_default().push((version, RawValue::from_string(entry)?));
    }
    Ok(journals)
}

async fn definitions(db: &mut PgConnection) -> Result<BTreeMap<String, Arc<Definition>>> {
    let sql = "select hash, body::text from saga.definition";
    let rows: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(db).await?;
    let parsed = rows.into_iter().map(|(hash, body)| match Definition::from_canonical(&body) {
        Ok(definition) => Ok((hash, Arc::new(definition))),
        Err(wrong) => bail!("the stored definition `{hash}` cannot be read: {wrong:?}"),
    });
    parsed.collect()
}

/// An effect that was undone is two acts.
fn effect(row: &PgRow) -> Result<Vec<Act>> {
    let act = |deed| -> Result<Act> {
        Ok(Act {
            saga_id: SagaId(row.try_get("saga_id")?),
            step: row.try_get::<&str, _>("step")?.parse()?,
            participant: row.try_get::<&str, _>("participant")?.parse()?,
            deed,
        })
    };
    let undone = (!row.try_get::<bool, _>("in_force")?).then(|| act(Deed::Undid));
    [Some(act(Deed::Did)), undone].into_iter().flatten().collect()
}

fn barrier_row(row: &PgRow) -> Result<BarrierRow> {
    Ok(BarrierRow {
        saga_id: SagaId(row.try_get("saga_id")?),
        step: row.try_get::<&str, _>("step")?.parse()?,
        participant: row.try_get::<&str, _>("participant")?.parse()?,
        phase: row.try_get::<&str, _>("phase")?.parse().map_err(|error: String| anyhow!(error))?,
        is_completed: row.try_get::<&str, _>("outcome")? == "completed",
    })
}

fn ledger(row: &PgRow) -> Result<Ledger> {
    let promise = match row.try_get("what")? {
        "money" => "money is conserved",
        _ => "stock is conserved",
    };
    Ok(Ledger {
        promise,
        name: row.try_get("name")?,
        before: row.try_get("before")?,
        now: row.try_get("now")?,
        taken: row.try_get("taken")?,
    })
}
