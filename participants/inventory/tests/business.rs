//! What inventory reserves, refuses and lets go, on real databases.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "../../sdk/tests/ground/mod.rs"]
mod ground;

use std::sync::Arc;

use inventory::participant;
use saga_participant::{
    Command, Knowledge, Outcome, Service,
    testing::{self, action, brief, compensation, serve},
};
use serde_json::json;
use sqlx::PgPool;
use tokio::task::JoinSet;

use Outcome::{Completed, Rejected};
use ground::on_both;

on_both! {
    reserves_what_is_there_and_lets_it_go,
    orders_of_the_same_articles_do_not_deadlock,
}

fn reserve(items: &[(&str, i64)]) -> Command {
    let item = |(sku, quantity): &(&str, i64)| json!({ "sku": sku, "quantity": quantity });
    let items: Vec<_> = items.iter().map(item).collect();
    action("inventory", "reserve", &json!({ "items": items }))
}

async fn available(inventory: &Service, sku: &str) -> i64 {
    let sql = "select available from stock where sku = $1";
    testing::run(inventory, sql, &[&sku]).await[0].get("available").unwrap()
}

async fn reserves_what_is_there_and_lets_it_go(url: &str) {
    let inventory = participant().connect(url).await.unwrap();
    assert_eq!(available(&inventory, "sku-1").await, 1_000_000);
    assert_eq!(available(&inventory, "sku-100").await, 1_000_000);

    let reserved = reserve(&[("sku-rare", 1), ("sku-1", 2), ("sku-1", 3)]);
    let reply = serve(&inventory, &reserved).await;
    assert_eq!(brief(&reply), (Completed, ""));
    let stock = (available(&inventory, "sku-1").await, available(&inventory, "sku-rare").await);
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
    assert_eq!(available(&inventory, "sku-2").await, 1_000_000, "a refusal takes nothing");

    let release = compensation(&reserved, "release", Knowledge::Completed, reply.output);
    for _ in 0..2 {
        assert_eq!(brief(&serve(&inventory, &release).await), (Completed, ""));
        let stock = (available(&inventory, "sku-1").await, available(&inventory, "sku-rare").await);
        assert_eq!(stock, (1_000_000, 1));
    }
    let sql = "select sku from reservation
        where saga_id = $1 and status = 'released' and quantity in (1, 5)";
    assert_eq!(testing::run(&inventory, sql, &[&reserved.saga_id]).await.len(), 2);
}

/// The same articles in another order lock the stock in the same order: nobody waits in a circle.
async fn orders_of_the_same_articles_do_not_deadlock(url: &str) {
    let inventory = Arc::new(participant().connect(url).await.unwrap());
    let mut orders = JoinSet::new();
    for order in 0..16 {
        let inventory = Arc::clone(&inventory);
        orders.spawn(async move {
            let mut items = [("sku-1", 1), ("sku-2", 1), ("sku-3", 1)];
            items.rotate_left(order % 3);
            brief(&serve(&inventory, &reserve(&items)).await).0
        });
    }
    assert_eq!(orders.join_all().await, [Completed; 16]);
    assert_eq!(available(&inventory, "sku-3").await, 1_000_000 - 16);
    if url.starts_with("postgres") {
        let pool = PgPool::connect(url).await.unwrap();
        let sql = "select deadlocks from pg_stat_database where datname = current_database()";
        assert_eq!(sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.unwrap(), 0);
    }
}
