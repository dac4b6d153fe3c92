//! Few and many stored sagas: what becomes of orders and of lists as a database grows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use lab::{Database, Given, Lab, Servers, System, SystemSettings};
use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};

use crate::{
    cli::output,
    cost,
    figures::{per, percentile_ms, rate},
    level::{Plan, WARM_UP},
    load::{self, Load, Weather},
    product,
    report::{Growth, Route, Size},
    run::{PACKAGES, setup},
};

/// The script that stores sagas.
const STORED: &str = include_str!("../stored.sql");
/// Requests to each route, one after the other.
const REQUESTS: usize = 200;
/// No more of them once they took so long: a route that is slow is told by few as well.
const ROUTE_MAX: Duration = Duration::from_secs(30);
/// The part of the orders before the sagas are stored that is refused: one of them is copied.
const FAIL_PERCENT: u32 = 10;
/// Bytes of a MiB.
const MIB: u64 = 1024 * 1024;

/// Measures with so many stored sagas, each in a database of its own.
///
/// # Errors
/// When servers or product do not start, or an order does not end as it should.
pub(crate) async fn measure(plan: Plan, sizes: &[u32]) -> Result<Growth> {
    let release = product::build(&PACKAGES)?;
    let servers = Servers::start(&Given::from_env(), &output::progress).await?;
    let mut measured = Vec::new();
    for stored in sizes {
        measured.push(size(servers.lab(), plan, *stored).await?);
    }
    servers.finish().await?;
    let in_flight = plan.in_flight;
    Ok(Growth { setup: setup(plan, release), in_flight, sizes: measured })
}

async fn size(lab: &Lab, plan: Plan, stored: u32) -> Result<Size> {
    let (vhost, ours, theirs) = tokio::try_join!(lab.vhost(), lab.database(), lab.database())?;
    let mut settings = SystemSettings::new(&vhost.url, &ours.url, &lab.logs());
    settings.participants = settings.participants.map(|(name, _)| (name, theirs.url.clone()));
    let system = System::start(settings.clone()).await?;
    let warm_up = Load { fail_percent: FAIL_PERCENT, ..load(&system, plan, 0..WARM_UP) };
    load::place(warm_up).await?;
    system.stop();
    drop(system);
    cost::everybody_gone(lab, &ours).await?;
    output::progress(&format!("storing {stored} sagas"));
    let began = Instant::now();
    store(&ours, stored).await?;
    let prefill_s = began.elapsed().as_secs_f64();

    output::progress(&format!("{} orders beside {stored} stored sagas", plan.sagas));
    let system = System::start(settings).await?;
    load::place(load(&system, plan, WARM_UP..2 * WARM_UP)).await?;
    let numbers = 2 * WARM_UP..2 * WARM_UP + plan.sagas;
    let loaded = load::place(load(&system, plan, numbers)).await?;
    let mut routes = Vec::new();
    for path in paths(&system.url, stored).await? {
        routes.push(route(&system.url, path).await?);
    }
    system.stop();
    let bytes = lab.admin(&format!("select pg_database_size('{}')", ours.name)).await?;
    Ok(Size {
        stored,
        prefill_s,
        database_mib: per(bytes.parse().context("a database has a size")?, MIB),
        sagas_per_s: rate(plan.sagas.into(), loaded.elapsed),
        p50_ms: loaded.percentile_ms(50),
        p99_ms: loaded.percentile_ms(99),
        routes,
    })
}

fn load(system: &System, plan: Plan, numbers: std::ops::Range<u32>) -> Load {
    Load {
        urls: system.urls(),
        numbers,
        in_flight: plan.in_flight,
        fail_percent: 0,
        weather: Weather::Fair,
    }
}

/// Stores sagas, and does what autovacuum and a checkpoint would have done had they come one by
/// one.
async fn store(database: &Database, stored: u32) -> Result<()> {
    let mut connection = PgConnection::connect(&database.url).await?;
    let set = "select set_config('bench.sagas', $1, false)";
    sqlx::query(set).bind(stored.to_string()).execute(&mut connection).await?;
    connection.execute(sqlx::raw_sql(STORED)).await?;
    let count: i64 = sqlx::query_scalar("select count(*) from saga.saga where key like 'stored-%'")
        .fetch_one(&mut connection)
        .await?;
    ensure!(count == i64::from(stored), "{count} sagas were stored, not {stored}");
    for statement in ["vacuum (analyze) saga.saga", "vacuum (analyze) saga.journal", "checkpoint"] {
        connection.execute(statement).await?;
    }
    Ok(connection.close().await?)
}

/// What is asked: lists from their beginning and from their middle, filters that find many, few and
/// nothing, one saga, and what counts sagas in flight.
async fn paths(url: &str, stored: u32) -> Result<Vec<String>> {
    let middle = format!("stored-{}", stored.div_ceil(2));
    let saga = get(url, &format!("/orders/{middle}")).await?;
    let id = saga["id"].as_str().context("a saga has an id")?;
    Ok(vec![
        "/v1/sagas".to_owned(),
        "/v1/sagas?limit=200".to_owned(),
        format!("/v1/sagas?after={id}"),
        "/v1/sagas?status=running,compensating,stuck".to_owned(),
        "/v1/sagas?status=compensated".to_owned(),
        format!("/v1/sagas?status=compensated&after={id}"),
        "/v1/sagas?definition=order".to_owned(),
        "/v1/sagas?older_than=12h".to_owned(),
        "/v1/sagas?step=payment".to_owned(),
        format!("/v1/sagas?key={middle}"),
        format!("/orders/{middle}"),
        format!("/v1/sagas/{id}"),
        format!("/v1/sagas/{id}/journal"),
        "/v1/timers".to_owned(),
        "/v1/definitions".to_owned(),
    ])
}

async fn route(url: &str, path: String) -> Result<Route> {
    let http = reqwest::Client::builder().tcp_nodelay(true).build()?;
    let mut lengths = Vec::<Duration>::new();
    let mut failed = 0;
    let first = Instant::now();
    while lengths.len() < REQUESTS && first.elapsed() < ROUTE_MAX {
        let began = Instant::now();
        let answer = http.get(format!("{url}{path}")).send().await?;
        let status = answer.status();
        answer.bytes().await?;
        lengths.push(began.elapsed());
        failed += u32::from(!status.is_success());
    }
    lengths.sort_unstable();
    let [p50_ms, p99_ms] = [50, 99].map(|percent| percentile_ms(&lengths, percent));
    Ok(Route { path, p50_ms, p99_ms, failed })
}

async fn get(url: &str, path: &str) -> Result<Value> {
    let answer = reqwest::get(format!("{url}{path}")).await?.error_for_status()?;
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}
