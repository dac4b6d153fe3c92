//! The checker: SQL over the schemas of orchestrator and participants, which must share one
//! database. It knows what was promised and nothing of how it was kept, so that it serves every run
//! on real parts. The definitions of these runs are chains: each step needs the one above.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use saga_core::{Birth, Definition};
use saga_protocol::{Json, SagaId};
use serde_json::value::RawValue;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

/// Checks every promise, and that no message is dead. Fails with all violations at once, or answers
/// how many sagas ended how.
///
/// # Errors
/// When a promise is broken, or the database cannot be asked.
pub async fn check(db: &PgPool) -> Result<BTreeMap<String, i64>> {
    check_within(&mut *db.acquire().await?).await
}

/// The same within a transaction, so that what it does to the database is seen and can be undone.
///
/// # Errors
/// When a promise is broken, or the database cannot be asked.
pub async fn check_within(db: &mut PgConnection) -> Result<BTreeMap<String, i64>> {
    let dead = ("no message is dead", "select source || ': ' || reason from saga.dead_letter");
    run(db, &[PROMISES, &[dead]].concat()).await
}

/// The same for a run in which messages had to be parked.
///
/// # Errors
/// When a promise is broken, or the database cannot be asked.
pub async fn check_sagas(db: &PgPool) -> Result<BTreeMap<String, i64>> {
    run(&mut *db.acquire().await?, PROMISES).await
}

/// Violations shown in a failure: enough to see the pattern.
const SHOWN_MAX: usize = 20;

/// What is promised in words, and a query that answers one row of text per violation.
type Promise = (&'static str, &'static str);

/// Puts what took effect, and what the barriers say of it, before a query: `effect` has one row per
/// effect that ever was, `in_force` unless it was undone; `barrier` has the rows of all
/// participants.
macro_rules! with_effects {
    ($sql:literal) => {
        concat!(
            "with effect (saga_id, step, participant, in_force) as (
               select saga_id, step, 'payment', status = 'charged' from payment.charge
               union all
               select distinct saga_id, step, 'inventory', status = 'reserved'
               from inventory.reservation
               union all
               select saga_id, step, 'shipping', status = 'scheduled' from shipping.shipment),
             barrier (saga_id, step, participant, phase, outcome) as (
               select saga_id, step, 'payment', phase, outcome from payment.barrier
               union all
               select saga_id, step, 'inventory', phase, outcome from inventory.barrier
               union all
               select saga_id, step, 'shipping', phase, outcome from shipping.barrier) ",
            $sql
        )
    };
}

/// What must hold once all sagas have ended.
const PROMISES: &[Promise] = &[
    (
        "every saga ends",
        "select id || ' is ' || status from saga.saga
         where status not in ('completed', 'compensated', 'partly_compensated', 'abandoned')
           or finished_at is null or wake_at is not null",
    ),
    (
        "a completed saga has the effect of each of its steps",
        with_effects!(
            "select saga.id || ' lacks ' || step.name from saga.saga
             join saga.step on step.saga_id = saga.id
             where saga.status = 'completed' and step.status <> 'skipped'
               and (step.status <> 'completed' or not exists (
                 select from effect where effect.saga_id = saga.id
                   and (effect.step, effect.participant) = (step.name, step.participant)
                   and in_force))"
        ),
    ),
    (
        "a compensated saga leaves no effect",
        with_effects!(
            "select saga.id || ' left ' || effect.step from saga.saga
             join effect on effect.saga_id = saga.id
             where saga.status = 'compensated' and in_force"
        ),
    ),
    (
        "every effect is that of a step of a saga",
        with_effects!(
            "select effect.saga_id || ' ' || effect.step from effect
             where not exists (
               select from saga.step where step.saga_id = effect.saga_id
                 and (step.name, step.participant) = (effect.step, effect.participant))"
        ),
    ),
    (
        "every effect is there once",
        with_effects!(
            "select saga_id || ' ' || step from effect
             group by saga_id, step having count(*) > 1"
        ),
    ),
    (
        "the barrier has an action completed where the effect was, and undone where it is no more",
        with_effects!(
            "select coalesce(effect.saga_id, done.saga_id) || ' '
                 || coalesce(effect.step, done.step)
             from effect
             full join (select * from barrier where (phase, outcome) = ('action', 'completed'))
               as done using (saga_id, step, participant)
             left join (
               select * from barrier where (phase, outcome) = ('compensation', 'completed'))
               as undone using (saga_id, step, participant)
             where effect.in_force is null or done.phase is null
               or effect.in_force <> (undone.phase is null)"
        ),
    ),
    (
        "money is conserved",
        "select customer_id || ' has ' || balance || ' after charges of ' || charged from (
           select customer_id, balance, coalesce((
             select sum(amount) from payment.charge
             where charge.customer_id = account.customer_id and status = 'charged'), 0) as charged
           from payment.account) as accounts
         where balance + charged <> 1000000",
    ),
    (
        "stock is conserved",
        "select sku || ' has ' || available || ' beside ' || reserved from (
           select sku, available, coalesce((
             select sum(quantity) from inventory.reservation
             where reservation.sku = stock.sku and status = 'reserved'), 0) as reserved
           from inventory.stock) as shelves
         where available + reserved <> case sku when 'sku-rare' then 1 else 1000000 end",
    ),
    (
        "a journal has no gap and no fork",
        "select saga.id || ' has version ' || saga.version || ' and ' || count(journal.version)
             || ' entries'
         from saga.saga left join saga.journal on journal.saga_id = saga.id
         group by saga.id, saga.version
         having count(journal.version) <> saga.version
             or count(distinct journal.version) <> saga.version
             or min(journal.version) <> 1 or max(journal.version) <> saga.version",
    ),
    (
        "a step is undone only when all that came after it is settled",
        "with place as (
           select hash, step.value ->> 'name' as name, step.ordinality as at
           from saga.definition, json_array_elements(body -> 'steps') with ordinality as step),
         undoing as (
           select saga_id, sent.value ->> 'step' as step, min(version) as since
           from saga.journal, json_array_elements(entry -> 'sent') as sent
           where sent.value ->> 'phase' = 'compensation' group by saga_id, step),
         touched as (
           select distinct saga_id, sent.value ->> 'step' as step
           from saga.journal, json_array_elements(entry -> 'sent') as sent),
         settled as (
           select saga_id, change.value ->> 'step' as step, max(version) as since
           from saga.journal, json_array_elements(entry -> 'changes') as change
           where change.value ->> 'to' in ('rejected', 'compensated') group by saga_id, step)
         select undoing.saga_id || ' began to undo ' || undoing.step || ' before ' || touched.step
             || ' was settled'
         from undoing
         join saga.saga on saga.id = undoing.saga_id
         join place as here on (here.hash, here.name) = (definition_hash, undoing.step)
         join place as after on after.hash = definition_hash and after.at > here.at
         join touched on (touched.saga_id, touched.step) = (undoing.saga_id, after.name)
         left join settled on (settled.saga_id, settled.step) = (touched.saga_id, touched.step)
         where settled.since is null or settled.since > undoing.since",
    ),
    (
        "no journal entry falls into the default partition",
        "select saga_id::text from only saga.journal_default",
    ),
];

async fn run(db: &mut PgConnection, promises: &[Promise]) -> Result<BTreeMap<String, i64>> {
    let mut violations = Vec::new();
    for (promise, sql) in promises {
        let broken: Vec<String> = sqlx::query_scalar(*sql)
            .fetch_all(&mut *db)
            .await
            .with_context(|| format!("cannot check that {promise}"))?;
        violations.extend(broken.iter().map(|what| format!("{promise}: {what}")));
    }
    violations.extend(replay_all(&mut *db).await?);
    if !violations.is_empty() {
        let shown: Vec<_> = violations.iter().take(SHOWN_MAX).map(String::as_str).collect();
        bail!("{} times a promise is broken:\n  {}", violations.len(), shown.join("\n  "));
    }
    let ends = "select status, count(*) from saga.saga group by status order by status";
    Ok(sqlx::query_as::<_, (String, i64)>(ends).fetch_all(db).await?.into_iter().collect())
}

/// Replays every journal through the core: the state must come out byte for byte.
async fn replay_all(db: &mut PgConnection) -> Result<Vec<String>> {
    let definitions = definitions(&mut *db).await?;
    let mut journals = journals(&mut *db).await?;
    let mut violations = Vec::new();
    let sql = "select id, definition_hash, key, input::text, state::text from saga.saga";
    for row in sqlx::query(sql).fetch_all(db).await? {
        let id: Uuid = row.try_get(0)?;
        let definition = definitions.get(row.try_get::<&str, _>(1)?);
        let definition = definition.context("a saga's definition is not stored")?;
        let input = RawValue::from_string(row.try_get(3)?)?;
        let birth = Birth { id: SagaId(id), key: row.try_get(2)?, input };
        let stored: &str = row.try_get(4)?;
        let journal = journals.remove(&id).unwrap_or_default();
        match saga_core::replay(definition, birth, &journal) {
            Ok(saga) => {
                let replayed = saga.state_json(definition);
                if replayed.get() != stored {
                    let replayed = replayed.get();
                    violations.push(format!(
                        "a journal leads to the state: {id}: {replayed} is not {stored}"
                    ));
                }
            }
            Err(error) => violations.push(format!("a journal can be replayed: {id}: {error}")),
        }
    }
    violations.extend(journals.keys().map(|id| format!("a journal has a saga: {id}")));
    Ok(violations)
}

async fn definitions(db: &mut PgConnection) -> Result<BTreeMap<String, Definition>> {
    let sql = "select hash, body::text from saga.definition";
    let rows: Vec<(String, String)> = sqlx::query_as(sql).fetch_all(db).await?;
    let parsed = rows.into_iter().map(|(hash, body)| match Definition::from_canonical(&body) {
        Ok(definition) => Ok((hash, definition)),
        Err(wrong) => bail!("the stored definition `{hash}` cannot be read: {wrong:?}"),
    });
    parsed.collect()
}

async fn journals(db: &mut PgConnection) -> Result<BTreeMap<Uuid, Vec<Json>>> {
    let sql = "select saga_id, entry::text from saga.journal order by saga_id, version";
    let rows: Vec<(Uuid, String)> = sqlx::query_as(sql).fetch_all(db).await?;
    let mut journals = BTreeMap::<_, Vec<_>>::new();
    for (id, entry) in rows {
        journals.entry(id).or_default().push(RawValue::from_string(entry)?);
    }
    Ok(journals)
}
