//! A database that an earlier version of the SDK made.

use saga_participant::{
    Knowledge, Outcome,
    barrier::SCHEMA,
    testing::{brief, compensation, serve},
};
use saga_protocol::BodyHash;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    ground,
    support::{World, charge, sale},
};
use Outcome::Completed;

/// The ledger, as it has always been.
const LEDGER: &str = "create schema shop; set search_path = shop; create table schema_version (
    part text not null, version bigint not null, sha256 text not null,
    applied_at timestamptz not null default current_timestamp, primary key (part, version));
    insert into schema_version (part, version, sha256) values ('barrier', 1, ";

#[tokio::test]
async fn a_barrier_without_intents_goes_up_with_its_rows() {
    let ground = ground::postgres().await;
    let (sale, first) = (sale(), SCHEMA[0]);
    let sha256 = BodyHash::of(first.as_bytes());
    let body = BodyHash::of(&sale.body);
    let row = format!(
        "insert into barrier (saga_id, step, phase, body_sha256, outcome, reply, saga_started)
        values ('{}', 'step', 'action', '{body}', 'completed', '{{\"outcome\":\"completed\"}}',
            now());",
        sale.saga_id
    );
    let made = format!("{LEDGER} '{sha256}'); {first}; {row}");
    let mut connection = PgConnection::connect(&ground.url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut connection).await.unwrap();

    let world = World::new(&ground.url).await;
    let replica = world.replica().await;
    let repeat = serve(&replica, &sale).await;
    assert_eq!(brief(&repeat), (Completed, ""));
    assert!(repeat.output.is_none(), "the stored reply, not a new one");
    let charge = charge();
    assert_eq!(brief(&serve(&replica, &charge).await), (Completed, ""));
    let refund = compensation(&charge, "refund", Knowledge::Completed, None);
    assert_eq!(brief(&serve(&replica, &refund).await), (Completed, ""));
    let versions = "select count(*) as found from schema_version where part = 'barrier'";
    assert_eq!(world.count(versions).await, 2);
}
