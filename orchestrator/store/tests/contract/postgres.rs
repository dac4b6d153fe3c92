//! What Postgres alone can be asked: that nothing is left open, that a lost commit is said to be
//! unknown, that plans stay on their indexes, that the schema is guarded.

use std::{sync::Arc, time::Duration};

use lab::{Database, Direction, Lab, Proxy, wait};
use saga_protocol::SagaId;
use saga_store::{
    Claim, Claimed, DefinitionRow, Error, Filter, Letters, Options, Page, Postgres, Postpone,
    Start, Started, Store, Unready, Verdict, Wake,
};
use sqlx::{AssertSqlSafe, PgPool, migrate::Migrator};

use crate::{
    reading::HOSTILE,
    support::{
        DEADLINE, HOUR, change, create, created, json, move_to, row, start_at, update_to, versions,
    },
};

const OPTIONS: Options = Options { connections: 8, allow_unsafe: false };
/// Sagas that have ended, one in a hundred compensated, as most are that a store holds.
const HISTORY: &str = "insert into saga.saga (id, definition, definition_hash, key, request_hash,
        status, version, input, state, created_at, updated_at, finished_at)
    select gen_random_uuid(), 'order', 'h', 'old-' || n, sha256(''),
        case when n % 100 = 0 then 'compensated' else 'completed' end, 1, '1',
        '{\"steps\":[]}', now(), now(), now()
    from generate_series(1, 30000) as n";
/// What Postgres answers a commit with.
const COMMITTED: &[u8] = b"COMMIT\0";

/// Two stores on one fresh database, as two orchestrators have them, and a look behind them.
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) other: Arc<dyn Store>,
    database: Database,
    sql: PgPool,
}

pub(crate) async fn ground() -> Ground {
    let database = Lab::from_env().unwrap().database().await.unwrap();
    let store = Postgres::open(&database.url, OPTIONS).unwrap();
    store.prepare(true).await.unwrap();
    let other = Postgres::open(&database.url, OPTIONS).unwrap();
    let sql = PgPool::connect(&database.url).await.unwrap();
    Ground { store: Arc::new(store), other: Arc::new(other), database, sql }
}

impl Ground {
    /// Asks for one number.
    async fn number(&self, sql: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&self.sql).await.unwrap()
    }

    async fn execute(&self, sql: &str) -> Result<(), sqlx::Error> {
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&self.sql).await.map(drop)
    }

    async fn until_none(&self, what: &str, sql: &str) {
        let none = async || (self.number(sql).await == 0).then_some(());
        wait::until(what, DEADLINE, none).await.unwrap();
    }

    /// Waits until nobody but us is connected: what statistics they have is reported then.
    async fn until_alone(&self) {
        let others = "select count(*) from pg_stat_activity
            where datname = current_database() and application_name = 'saga'";
        self.until_none("the store to be gone", others).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_go_away_leave_nothing_open() {
    let ground = ground().await;
    let store =
        Postgres::open(&ground.database.url, Options { connections: 2, ..OPTIONS }).unwrap();
    let id = created(&store).await;
    for n in 0..300_u64 {
        let begun = store.now().await.unwrap();
        let cut = Duration::from_micros(n * 13 % 3_000);
        let mut decide = |claimed: Claimed| {
            let to = |row| update_to(row, "running", claimed.now);
            Verdict { updates: claimed.rows.iter().map(to).collect(), ..Verdict::default() }
        };
        let _ =
            tokio::time::timeout(cut, store.transact(Claim::Sagas(vec![id]), &mut decide)).await;
        let _ = tokio::time::timeout(cut, store.start(vec![start_at(begun)])).await;
        // Who comes next is not in the transaction of who went.
        let hash = n.to_string();
        let name = "order".to_owned();
        let definition = DefinitionRow { hash: hash.clone(), name, body: json("1") };
        store.put_definitions(&[definition]).await.unwrap();
        assert_eq!(ground.other.definitions(&[hash]).await.unwrap().len(), 1, "after {cut:?}");
    }
    let open = "select count(*) from pg_stat_activity where datname = current_database()
        and state like 'idle in transaction%'";
    ground.until_none("all transactions to be ended", open).await;
    let version = row(&store, id).await.version;
    assert!(version > 1, "none of the changes came through");
    assert_eq!(versions(&store, id).await, (1..=version).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_unknown_and_can_be_repeated() {
    let ground = ground().await;
    let proxy = Proxy::before(&ground.database.url).unwrap();
    let lossy = Postgres::open(&proxy.url(&ground.database.url), OPTIONS).unwrap();
    let start = start_at(lossy.now().await.unwrap());
    proxy.cut_before(Direction::ToClient, COMMITTED);
    let lost = lossy.start(vec![start.clone()]).await;
    assert!(matches!(lost, Err(Error::Unknown(_))), "{lost:?}");
    assert_eq!(row(&*ground.store, start.id).await.version, 1, "it was there all the time");
    assert!(matches!(
        ground.store.start(vec![start.clone()]).await.unwrap()[..],
        [Started::Created]
    ));

    proxy.cut_before(Direction::ToClient, COMMITTED);
    let lost = change(&lossy, [start.id], |claimed| Verdict {
        updates: vec![update_to(&claimed.rows[0], "stuck", claimed.now)],
        ..Verdict::default()
    });
    assert!(matches!(lost.await, Err(Error::Unknown(_))));
    assert_eq!(row(&*ground.store, start.id).await.status, "stuck");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_connections_cost_a_try_each_at_most() {
    let ground = ground().await;
    let id = created(&*ground.store).await;
    ground
        .execute(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and application_name = 'saga'",
        )
        .await
        .unwrap();
    ground.until_alone().await;
    let mut tries = 0;
    while let Err(error) = ground.store.get(&[id]).await {
        assert!(matches!(error, Error::Transient(_)), "{error}");
        tries += 1;
        assert!(tries <= OPTIONS.connections);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_held_delays_but_does_not_stop() {
    let ground = ground().await;
    let now = ground.store.now().await.unwrap();
    let keyed = || Start { key: Some("o-1".to_owned()), ..start_at(now) };
    let mut holder = ground.sql.begin().await.unwrap();
    sqlx::raw_sql(
        "insert into saga.saga (id, definition, definition_hash, key, request_hash, status, version,
            input, state, wake_at, created_at, updated_at)
         values (gen_random_uuid(), 'order', '', 'o-1', sha256(''), 'running', 1, '1', '1', now(),
            now(), now())",
    )
    .execute(&mut *holder)
    .await
    .unwrap();
    let waited = ground.store.start(vec![keyed()]).await;
    assert!(matches!(waited, Err(Error::Transient(_))), "{waited:?}");
    holder.rollback().await.unwrap();
    create(&*ground.store, &[keyed()]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_reads_what_json_operators_refuse() {
    let ground = ground().await;
    let mut start = start_at(ground.store.now().await.unwrap());
    (start.input, start.first.journal) = (json(HOSTILE), vec![json(HOSTILE)]);
    start.first.state = json(&format!(
        r#"{{"steps":[{{"name":"payment","participant":"till","status":"completed","attempts":2,
        "started_at":"2026-01-02T03:04:05.678901Z","output":{HOSTILE}}},
        {{"name":"shipping","participant":"shipping","status":"pending","attempts":0}}]}}"#
    ));
    create(&*ground.store, std::slice::from_ref(&start)).await;
    ground.execute("select * from saga.saga; select * from saga.journal").await.unwrap();
    let steps: Vec<String> = sqlx::query_scalar(
        "select concat_ws(' ', name, participant, status, attempts, started_at, output -> 'b')
         from saga.step",
    )
    .fetch_all(&ground.sql)
    .await
    .unwrap();
    assert_eq!(
        steps,
        ["payment till completed 2 2026-01-02 03:04:05.678901+00 2", "shipping shipping pending 0"]
    );
}

/// What keeps the store fast when most of what it holds is history.
#[tokio::test(flavor = "multi_thread")]
async fn statements_stay_on_their_indexes() {
    let ground = ground().await;
    ground.execute(HISTORY).await.unwrap();
    ground
        .execute(
            "insert into saga.dead_letter (id, source, reason, headers, body, sha256, closed_at,
                closed_as, closed_by, closed_why)
             select gen_random_uuid(), 'q', 'r', '{}', '', sha256(''), now(), 'dropped', 'b', 'w'
             from generate_series(1, 3000) as n;
             analyze saga.saga, saga.dead_letter;
             select pg_stat_reset()",
        )
        .await
        .unwrap();
    let store = Postgres::open(&ground.database.url, OPTIONS).unwrap();
    let (starts, ids) = create_many(&store).await;
    let later = store.now().await.unwrap().after(HOUR * 2);
    // More often than a prepared statement is planned for its very parameters.
    for _ in 0..6 {
        change_all(&store, &ids).await;
        store.transact(Claim::Due(256), &mut |_| Verdict::default()).await.unwrap();
        let (id, wake_at) = (ids[0], later);
        store.postpone(&[Postpone { id, version: 1, wake_at }]).await.unwrap();
        store.start(vec![starts[0].clone(), starts[1].clone()]).await.unwrap();
        store.find("order", "old-100").await.unwrap();
        let page = Page { after: Some((later, id)), limit: 50 };
        store.waking(&page).await.unwrap();
        let page = Page { after: None, limit: 50 };
        store.unended(&page).await.unwrap();
        store.in_flight().await.unwrap();
        store.journal(id, &Page { after: None, limit: 50 }).await.unwrap();
        for which in [Letters::Open, Letters::All] {
            let page = Page { after: None, limit: 50 };
            store.letters(which, &page).await.unwrap();
        }
        for filter in [
            Filter::default(),
            Filter { statuses: vec!["stuck".to_owned()], ..Filter::default() },
            Filter { key: Some("old-7".to_owned()), ..Filter::default() },
            Filter { definition: Some("none".to_owned()), ..Filter::default() },
        ] {
            store.list(&filter, &page).await.unwrap();
        }
    }
    store.close().await;
    ground.until_alone().await;
    let scans = "select sum(seq_scan)::bigint from pg_stat_user_tables
        where schemaname = 'saga' and relname in ('saga', 'dead_letter')";
    assert_eq!(ground.number(scans).await, 0, "a statement reads a whole table");
}

/// The index that the newest are read by would find a key too, in the end.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_found_without_reading_what_is_newer() {
    let ground = ground().await;
    ground.execute(HISTORY).await.unwrap();
    ground.execute("analyze saga.saga; select pg_stat_reset()").await.unwrap();
    let store = Postgres::open(&ground.database.url, OPTIONS).unwrap();
    let page = Page { after: None, limit: 50 };
    for key in ["old-7", "old-100", "none"] {
        let filter = Filter { key: Some(key.to_owned()), ..Filter::default() };
        let found = store.list(&filter, &page).await.unwrap().items.len();
        assert_eq!(found, usize::from(key != "none"));
    }
    store.close().await;
    ground.until_alone().await;
    let read = "select (coalesce(idx_tup_fetch, 0) + seq_tup_read)::bigint
        from pg_stat_user_tables where schemaname = 'saga' and relname = 'saga'";
    let read = ground.number(read).await;
    assert!(read < 100, "{read} rows were read for two");
}

/// Updates are HOT. Whatever else runs on the server can keep old versions from making room, so one
/// of several rounds has to show it.
#[tokio::test(flavor = "multi_thread")]
async fn updates_leave_the_indexes_alone() {
    const ROUNDS: usize = 10;
    let ground = ground().await;
    let mut percents = Vec::new();
    for _ in 0..ROUNDS {
        ground.execute("select pg_stat_reset()").await.unwrap();
        let store = Postgres::open(&ground.database.url, OPTIONS).unwrap();
        let (_, ids) = create_many(&store).await;
        for _ in 0..6 {
            change_all(&store, &ids).await;
        }
        store.close().await;
        ground.until_alone().await;
        let hot = "select 100 * n_tup_hot_upd / n_tup_upd from pg_stat_user_tables
            where schemaname = 'saga' and relname = 'saga'";
        percents.push(ground.number(hot).await);
        if percents.last() >= Some(&90) {
            return;
        }
    }
    panic!("so many percent of the updates leave the indexes alone: {percents:?}");
}

async fn create_many(store: &dyn Store) -> (Vec<Start>, Vec<SagaId>) {
    let now = store.now().await.unwrap();
    let start = |n| Start { key: Some(format!("{n} {now}")), ..start_at(now) };
    let starts: Vec<_> = (0..100).map(start).collect();
    create(store, &starts).await;
    let ids = starts.iter().map(|start| start.id).collect();
    (starts, ids)
}

async fn change_all(store: &dyn Store, ids: &[SagaId]) {
    let changed = change(store, ids, |claimed| {
        let to = |row| update_to(row, "running", claimed.now);
        Verdict { updates: claimed.rows.iter().map(to).collect(), ..Verdict::default() }
    });
    changed.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_made_once_and_guarded() {
    let database = Lab::from_env().unwrap().database().await.unwrap();
    let store = Postgres::open(&database.url, OPTIONS).unwrap();
    assert!(matches!(store.check().await, Err(Unready::Missing)));
    let (one, two) = tokio::join!(store.migrate(), store.migrate());
    one.unwrap();
    two.unwrap();
    store.migrate().await.unwrap();
    store.check().await.unwrap();

    let sql = PgPool::connect(&database.url).await.unwrap();
    let ledger = async |change: &'static str| sqlx::raw_sql(change).execute(&sql).await.unwrap();
    ledger("insert into saga.schema_version values (9999, 'later', now(), true, '', 0)").await;
    assert!(matches!(store.check().await, Err(Unready::Newer { found: 9999, .. })));
    assert!(matches!(store.migrate().await, Err(Unready::Newer { found: 9999, .. })));
    ledger("delete from saga.schema_version where version = 9999").await;
    ledger("update saga.schema_version set checksum = 'x'").await;
    assert!(matches!(store.check().await, Err(Unready::Foreign { .. })));
    assert!(matches!(store.migrate().await, Err(Unready::Foreign { .. })));
}

/// Whatever an older binary left goes up, with what is in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_each_older_version_goes_up() {
    let all = sqlx::migrate!("../../migrations");
    let newest = all.iter().map(|migration| migration.version).max().unwrap();
    assert!(newest > 1);
    for version in 1..newest {
        let database = Lab::from_env().unwrap().database().await.unwrap();
        let sql = PgPool::connect(&database.url).await.unwrap();
        sqlx::raw_sql("create schema saga").execute(&sql).await.unwrap();
        let older = all.iter().filter(|known| known.version <= version).cloned().collect();
        let mut older = Migrator { migrations: older, ..Migrator::DEFAULT };
        older.dangerous_set_table_name("saga.schema_version").run(&sql).await.unwrap();
        sqlx::raw_sql(
            "insert into saga.dead_letter (id, source, reason, headers, body, sha256)
             values (gen_random_uuid(), 'saga.dead', 'expired', '{}', '', sha256(''))",
        )
        .execute(&sql)
        .await
        .unwrap();

        let store = Postgres::open(&database.url, OPTIONS).unwrap();
        let found = store.check().await;
        assert!(matches!(found, Err(Unready::Older { found, .. }) if found == version));
        store.migrate().await.unwrap();
        store.check().await.unwrap();
        let id = created(&store).await;
        move_to(&store, id, "completed").await;
        let letters = store.letters(Letters::Open, &Page { after: None, limit: 9 }).await.unwrap();
        assert_eq!(letters.items.len(), 1, "from version {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_can_lose_what_it_confirmed_is_refused() {
    let ground = ground().await;
    let open = |allow_unsafe| {
        Postgres::open(&ground.database.url, Options { allow_unsafe, ..OPTIONS }).unwrap()
    };
    let set = async |setting: &str| {
        let name = &ground.database.name;
        ground.execute(&format!("alter database {name} set {setting}")).await.unwrap();
    };
    set("synchronous_commit = off").await;
    assert!(matches!(open(false).check().await, Err(Unready::Unsafe(_))));
    open(true).check().await.unwrap();
    set("default_transaction_read_only = on").await;
    assert!(matches!(open(true).check().await, Err(Unready::ReadOnly(_))));
    assert!(matches!(open(true).now().await, Err(Error::Transient(_))));
    let nobody = Postgres::open("postgres://127.0.0.1:1/nobody", OPTIONS).unwrap();
    assert!(nobody.check().await.unwrap_err().can_wait());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_has_partitions_and_takes_back_what_was_misplaced() {
    let ground = ground().await;
    let made = "select count(*) from pg_inherits where inhparent = 'saga.journal'::regclass";
    assert_eq!(ground.number(made).await, 10, "yesterday, today, seven days, and the default");
    let id = created(&*ground.store).await;
    move_to(&*ground.store, id, "running").await;
    ground
        .execute(
            "do $$ begin execute format('drop table saga.journal_%s', to_char(clock_timestamp() at
                time zone 'UTC', 'YYYYMMDD')); end $$",
        )
        .await
        .unwrap();
    move_to(&*ground.store, id, "running").await;
    let misplaced = "select count(*) from saga.journal_default";
    assert_eq!(ground.number(misplaced).await, 1);
    let (one, two) = tokio::join!(ground.store.maintain(), ground.other.maintain());
    one.unwrap();
    two.unwrap();
    assert_eq!(ground.number(misplaced).await, 0);
    assert_eq!(ground.number(made).await, 10);
    assert_eq!(versions(&*ground.store, id).await, [3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_refuses_what_must_never_be() {
    let ground = ground().await;
    let id = created(&*ground.store).await;
    for change in [
        "wake_at = null",
        "status = 'completed'",
        "status = 'completed', finished_at = now()",
        "finished_at = now()",
        "status = 'failed'",
        "version = 0",
        "value_currency = null",
    ] {
        let refused = ground.execute(&format!("update saga.saga set {change}")).await;
        assert!(refused.is_err(), "{change}");
    }
    for change in ["wake_at = null, paused_at = now()", "wake_at = null, status = 'stuck'"] {
        ground.execute(&format!("begin; update saga.saga set {change}; rollback")).await.unwrap();
    }
    let ended = change(&*ground.store, [id], |claimed| {
        let mut update = update_to(&claimed.rows[0], "completed", claimed.now);
        update.wake = Wake::Keep;
        Verdict { updates: vec![update], ..Verdict::default() }
    });
    ended.await.unwrap();
    assert_eq!(row(&*ground.store, id).await.wake_at, None, "nobody looks at an end");
}
