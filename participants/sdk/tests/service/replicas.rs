//! Two replicas of one participant, a commit whose answer is lost, and a handler that hangs.

use std::sync::Arc;

use lab::wait;
use saga_participant::{
    Answer, Outcome,
    testing::{action, brief, read, serve},
};

use sqlx::{PgPool, Postgres, Transaction};

use crate::{
    ground::{self, on_both},
    proxy::Proxy,
    support::{PATIENCE, World, sale, undo},
};
use Outcome::{Completed, Failed};

on_both! {
    a_handler_that_hangs_is_ended,
}

/// The door of the shop, on Postgres, where others can hold a row and be seen to wait for it.
struct Door(PgPool);

impl Door {
    async fn of(url: &str) -> Self {
        Self(PgPool::connect(url).await.unwrap())
    }

    /// Closes it: whoever sells waits within its transaction until this one has ended.
    async fn close(&self) -> Transaction<'static, Postgres> {
        let mut tx = self.0.begin().await.unwrap();
        sqlx::query("select from shop.door for update").execute(&mut *tx).await.unwrap();
        tx
    }

    /// Waits until so many sessions wait for another's row.
    async fn blocked(&self, count: i64) {
        let sql = "select count(*) from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'";
        let blocked = wait::until("somebody to wait for a row", PATIENCE, async || {
            let found: i64 = sqlx::query_scalar(sql).fetch_one(&self.0).await.unwrap();
            (found == count).then_some(())
        });
        blocked.await.unwrap();
    }
}

#[tokio::test]
async fn of_two_copies_at_once_one_works_and_both_hear_the_same() {
    let ground = ground::postgres().await;
    let world = World::new(&ground.url).await;
    let (first, second) = (Arc::new(world.replica().await), world.replica().await);
    let sale = sale();
    let door = Door::of(&ground.url).await;
    let closed = door.close().await;
    let copy = sale.clone();
    let working = tokio::spawn(async move { first.handle(&copy).await });
    door.blocked(1).await;
    let waiting = async {
        let opening = async {
            door.blocked(2).await;
            closed.rollback().await.unwrap();
        };
        tokio::join!(second.handle(&sale), opening).0
    };
    let (repeated, worked) = (waiting.await, working.await.unwrap());
    assert_eq!(brief(&read(&worked)), (Completed, ""));
    assert_eq!(repeated, worked);
    assert_eq!(world.count("select count(*) as found from sale").await, 1);
}

#[tokio::test]
async fn a_compensation_waits_for_the_transaction_of_its_action() {
    let ground = ground::postgres().await;
    let world = World::new(&ground.url).await;
    let (first, second) = (Arc::new(world.replica().await), world.replica().await);
    let sale = sale();
    let undo = undo(&sale, "take_back");
    let door = Door::of(&ground.url).await;
    let closed = door.close().await;
    let working = tokio::spawn(async move { first.handle(&sale).await });
    door.blocked(1).await;
    let opening = async {
        door.blocked(2).await;
        closed.rollback().await.unwrap();
    };
    let (undone, ()) = tokio::join!(second.handle(&undo), opening);
    assert_eq!(brief(&read(&working.await.unwrap())), (Completed, ""));
    assert_eq!(brief(&read(&undone)), (Completed, ""));
    assert_eq!(world.count("select count(*) as found from sale where returned").await, 1);
}

#[tokio::test]
async fn a_commit_that_nobody_knows_of_is_told_by_the_barrier() {
    let ground = ground::postgres().await;
    let world = World::new(&ground.url).await;
    let proxy = Proxy::before(&ground.url).await;
    let replica = world.replica_at(&proxy.url).await;
    let sale = sale();
    proxy.lose_commits(true);
    assert_eq!(replica.handle(&sale).await, Answer::InDoubt, "so no reply, and no other effect");
    assert_eq!(world.count("select count(*) as found from sale").await, 1, "it had committed");
    proxy.lose_commits(false);
    assert_eq!(brief(&serve(&replica, &sale).await), (Completed, ""));
    assert_eq!(world.count("select count(*) as found from sale").await, 1);

    // The result of a call is not lost with the answer to its commit.
    let charge = crate::support::charge();
    let Answer::Intent(intent) = replica.handle(&charge).await else { panic!("no intent") };
    proxy.lose_commits(true);
    let storing = replica.call(intent);
    let mending = async {
        world.provider.taken(1).await;
        proxy.lost(2).await;
        proxy.lose_commits(false);
    };
    let (answer, ()) = tokio::join!(storing, mending);
    assert_eq!(brief(&read(&answer)), (Completed, ""));
    assert_eq!(replica.handle(&charge).await, answer);
}

async fn a_handler_that_hangs_is_ended(url: &str) {
    let world = World::new(url).await;
    let replica = world.replica().await;
    let slow = action("shop", "sell_slowly", &());
    assert_eq!(brief(&serve(&replica, &slow).await), (Failed, "handler_timeout"));
    assert_eq!(world.outcomes(&slow).await, "", "nothing is left of it");
}
