//! Two replicas of one participant, a commit whose answer is lost, and a handler that hangs.

use std::sync::Arc;

use saga_participant::{
    Answer, Outcome,
    testing::{action, brief, read, serve},
};

use crate::{
    proxy::Proxy,
    support::{World, sale, undo},
};
use Outcome::{Completed, Failed};

#[tokio::test]
async fn of_two_copies_at_once_one_works_and_both_hear_the_same() {
    let world = World::new().await;
    let (first, second) = (Arc::new(world.replica().await), world.replica().await);
    let sale = sale();
    let door = world.closed_door().await;
    let copy = sale.clone();
    let working = tokio::spawn(async move { first.handle(&copy).await });
    world.blocked(1).await;
    let waiting = async {
        let opening = async {
            world.blocked(2).await;
            door.rollback().await.unwrap();
        };
        tokio::join!(second.handle(&sale), opening).0
    };
    let (repeated, worked) = (waiting.await, working.await.unwrap());
    assert_eq!(brief(&read(&worked)), (Completed, ""));
    assert_eq!(repeated, worked);
    assert_eq!(world.count("select count(*) from shop.sale").await, 1);
}

#[tokio::test]
async fn a_compensation_waits_for_the_transaction_of_its_action() {
    let world = World::new().await;
    let (first, second) = (Arc::new(world.replica().await), world.replica().await);
    let sale = sale();
    let undo = undo(&sale, "take_back");
    let door = world.closed_door().await;
    let working = tokio::spawn(async move { first.handle(&sale).await });
    world.blocked(1).await;
    let opening = async {
        world.blocked(2).await;
        door.rollback().await.unwrap();
    };
    let (undone, ()) = tokio::join!(second.handle(&undo), opening);
    assert_eq!(brief(&read(&working.await.unwrap())), (Completed, ""));
    assert_eq!(brief(&read(&undone)), (Completed, ""));
    assert_eq!(world.count("select count(*) from shop.sale where returned").await, 1);
}

#[tokio::test]
async fn a_commit_that_nobody_knows_of_is_told_by_the_barrier() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.database.url).await;
    let replica = world.replica_at(&proxy.url).await;
    let sale = sale();
    proxy.lose_commits(true);
    assert_eq!(replica.handle(&sale).await, Answer::InDoubt, "so no reply, and no other effect");
    assert_eq!(world.count("select count(*) from shop.sale").await, 1, "it had committed");
    proxy.lose_commits(false);
    assert_eq!(brief(&serve(&replica, &sale).await), (Completed, ""));
    assert_eq!(world.count("select count(*) from shop.sale").await, 1);

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

#[tokio::test]
async fn a_handler_that_hangs_is_ended() {
    let world = World::new().await;
    let replica = world.replica().await;
    let slow = action("shop", "sell_slowly", &());
    assert_eq!(brief(&serve(&replica, &slow).await), (Failed, "handler_timeout"));
    assert_eq!(world.outcomes().await, "", "nothing is left of it");
}
