//! What inventory reserves, refuses and lets go, on a real Postgres.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

use inventory::participant;
use lab::Lab;
use saga_participant::{
    Command, Knowledge, Outcome,
    testing::{action, brief, compensation, serve},
};
use serde_json::json;
use sqlx::PgPool;
use tokio::task::JoinSet;

use Outcome::{Completed, Rejected};

fn reserve(items: &[(&str, i64)]) -> Command {
    let item = |(sku, quantity): &(&str, i64)| json!({ "sku": sku, "quantity": quantity });
    let items: Vec<_> = items.iter().map(item).collect();
    action("inventory", "reserve", &json!({ "items": items }))
}

async fn available(pool: &PgPool, sku: &str) -> i64 {
    let sql = "select available from inventory.stock where sku = $1";
    sqlx::query_scalar(sql).bind(sku).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn reserves_what_is_there_and_lets_it_go() {
    let database = Lab::from_env().unwrap().database().await.unwrap();
    let inventory = participant().connect(&database.url).await.unwrap();
    let pool = PgPool::connect(&database.url).await.unwrap();
    assert_eq!(available(&pool, "sku-1").await, 1_000_000);
    assert_eq!(available(&pool, "sku-100").await, 1_000_000);

    let reserved = reserve(&[("sku-rare", 1), ("sku-1", 2), ("sku-1", 3)]);
    let reply = serve(&inventory, &reserved).await;
    assert_eq!(brief(&reply), (Completed, ""));
    let stock = (available(&pool, "sku-1").await, available(&pool, "sku-rare").await);
    assert_eq!(stock, (999_995, 0));
    for (items, code) in [
        (vec![("sku-2", 1), ("sku-rare", 1)], "out_of_stock"),
        (vec![("sku-2", 1), ("sku-none", 1)], "unknown_sku"),
        (vec![("sku-2", 0)], "invalid_quantity"),
        (vec![("sku-2", i64::MAX), ("sku-2", 1)], "invalid_quantity"),
        (vec![], "invalid_items"),
    ] {
        assert_eq!(brief(&serve(&inventory, &reserve(&items)).await), (Rejected, code));
    }
    assert_eq!(available(&pool, "sku-2").await, 1_000_000, "a refusal takes nothing");

    let release = compensation(&reserved, "release", Knowledge::Completed, reply.output);
    for _ in 0..2 {
        assert_eq!(brief(&serve(&inventory, &release).await), (Completed, ""));
        let stock = (available(&pool, "sku-1").await, available(&pool, "sku-rare").await);
        assert_eq!(stock, (1_000_000, 1));
    }
    let sql = "select count(*) from inventory.reservation
        where saga_id = $1 and status = 'released' and quantity in (1, 5)";
    let released: Result<i64, _> =
        sqlx::query_scalar(sql).bind(reserved.saga_id.0).fetch_one(&pool).await;
    assert_eq!(released.unwrap(), 2);
}

/// The same articles in another order lock the stock in the same order: nobody waits in a circle.
#[tokio::test]
async fn orders_of_the_same_articles_do_not_deadlock() {
    let database = Lab::from_env().unwrap().database().await.unwrap();
    let inventory = participant().connect(&database.url).await.unwrap();
    let inventory = std::sync::Arc::new(inventory);
    let pool = PgPool::connect(&database.url).await.unwrap();
    let mut orders = JoinSet::new();
    for order in 0..16 {
        let inventory = std::sync::Arc::clone(&inventory);
        orders.spawn(async move {
            let mut items = [("sku-1", 1), ("sku-2", 1), ("sku-3", 1)];
            items.rotate_left(order % 3);
            brief(&serve(&inventory, &reserve(&items)).await).0
        });
    }
    assert_eq!(orders.join_all().await, [Completed; 16]);
    assert_eq!(available(&pool, "sku-3").await, 1_000_000 - 16);
    let sql = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap(), 0);
}
