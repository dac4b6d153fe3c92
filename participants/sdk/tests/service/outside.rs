//! Work outside the database: dying at every point of it, undoing it, failing and refusing.

use std::sync::Arc;

use saga_participant::{
    Answer, Command, Intent, Outcome, Phase, Service, StepKind,
    testing::{action, brief, read, serve},
};

use crate::{
    ground::on_both,
    provider::{Charge, Mood},
    support::{World, charge, key, next_attempt, undo},
};
use Outcome::{Completed, Failed, Rejected, Unknown};

on_both! {
    died_after_the_intent_and_before_the_call,
    died_after_the_call_and_before_its_result,
    died_after_the_result_and_before_the_reply,
    an_intent_that_nobody_is_at_is_undone,
    an_undo_inside_the_database_buries_the_intent,
    an_attempt_that_failed_is_begun_again_with_the_same_key,
    a_refusal_from_outside_is_kept_only_where_it_is_final,
}

/// More than any test leaves behind.
const ALL: usize = 10;

/// Has the intent of a command committed, and goes no further.
async fn intend(replica: &Service, command: &Command) -> Intent {
    match replica.handle(command).await {
        Answer::Intent(intent) => intent,
        other => panic!("{other:?}"),
    }
}

/// Takes over what somebody else left, who must be gone, and ends it.
async fn take_up(world: &World, replica: &Service) -> Answer {
    assert_eq!(replica.lapsed(ALL).await.unwrap(), [], "he may still be at it");
    world.let_leases_pass().await;
    let mut taken = replica.lapsed(ALL).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!(replica.lapsed(ALL).await.unwrap(), [], "the lease is ours now");
    replica.call(taken.remove(0)).await
}

async fn died_after_the_intent_and_before_the_call(url: &str) {
    let world = World::new(url).await;
    let (first, second) = (world.replica().await, world.replica().await);
    let charge = charge();
    intend(&first, &charge).await;
    // To all others it looks as if he were at it.
    assert_eq!(second.handle(&next_attempt(&charge)).await, Answer::Nothing);
    let early = serve(&second, &undo(&charge, "refund")).await;
    assert_eq!(brief(&early), (Failed, "in_progress"));
    let query = Command { phase: Phase::Query, ..charge.clone() };
    assert_eq!(brief(&serve(&second, &query).await), (Unknown, "in_progress"));
    assert_eq!(world.provider.calls(&key(&charge)), 0);

    let answer = take_up(&world, &second).await;
    assert_eq!(brief(&read(&answer)), (Completed, ""));
    assert_eq!(second.handle(&charge).await, answer, "a copy hears the same");
    assert_eq!(serve(&second, &query).await.outcome, Completed);
    assert_eq!(world.provider.calls(&key(&charge)), 1);
    assert_eq!(world.outcomes(&charge).await, "action completed");
}

async fn died_after_the_call_and_before_its_result(url: &str) {
    let world = World::new(url).await;
    let (first, second) = (Arc::new(world.replica().await), world.replica().await);
    let charge = charge();
    world.provider.set_mood(Mood::Waits);
    let intent = intend(&first, &charge).await;
    let dying = tokio::spawn(async move { first.call(intent).await });
    world.provider.taken(1).await;
    dying.abort();
    assert!(dying.await.unwrap_err().is_cancelled());
    world.provider.set_mood(Mood::Well);

    let answer = take_up(&world, &second).await;
    assert_eq!(brief(&read(&answer)), (Completed, ""));
    assert_eq!(world.provider.calls(&key(&charge)), 2, "called again, with the same key");
    assert_eq!(world.provider.count(Charge::Taken), 1);
    assert_eq!(brief(&serve(&second, &undo(&charge, "refund")).await), (Completed, ""));
    assert_eq!(world.provider.count(Charge::Refunded), 1);
}

async fn died_after_the_result_and_before_the_reply(url: &str) {
    let world = World::new(url).await;
    let (first, second) = (world.replica().await, world.replica().await);
    let charge = charge();
    let intent = intend(&first, &charge).await;
    let lost = first.call(intent).await;
    world.let_leases_pass().await;
    assert_eq!(second.lapsed(ALL).await.unwrap(), [], "there is nothing left to do");
    assert_eq!(second.handle(&next_attempt(&charge)).await, lost, "byte for byte");
    assert_eq!(world.provider.calls(&key(&charge)), 1);
}

/// Nobody knows whether the money was taken: it is given back, or never can be taken.
async fn an_intent_that_nobody_is_at_is_undone(url: &str) {
    let world = World::new(url).await;
    for was_called in [false, true] {
        let replica = world.replica().await;
        let charge = charge();
        let left = intend(&replica, &charge).await;
        if was_called {
            world.provider.set_mood(Mood::LosesAnswers);
            let reply = read(&replica.call(left.clone()).await);
            assert_eq!(brief(&reply), (Unknown, "provider_silent"), "who cannot tell gives it up");
            world.provider.set_mood(Mood::Well);
        } else {
            world.let_leases_pass().await;
        }
        // The undo dies too, and is taken up.
        let undo = undo(&charge, "refund");
        intend(&replica, &undo).await;
        assert_eq!(world.outcomes(&charge).await, "action tombstone, compensation intent");
        let undone = take_up(&world, &replica).await;
        assert_eq!(brief(&read(&undone)), (Completed, ""));
        assert!(read(&undone).output.is_some_and(|output| output.get() == "{}"), "it was undone");
        let expected = if was_called { Charge::Refunded } else { Charge::Cancelled };
        assert_eq!(world.provider.count(expected), 1);
        // Whatever of the action is still under way changes nothing.
        assert_eq!(replica.call(left).await, Answer::Nothing);
        let late = serve(&replica, &next_attempt(&charge)).await;
        assert_eq!(brief(&late), (Rejected, "compensated_already"));
        assert_eq!(replica.handle(&undo).await, undone, "a copy hears the same");
        assert_eq!(world.provider.count(Charge::Taken), 0);
        assert_eq!(world.outcomes(&charge).await, "action tombstone, compensation completed");
    }
}

async fn an_undo_inside_the_database_buries_the_intent(url: &str) {
    let world = World::new(url).await;
    let replica = world.replica().await;
    let charge = charge();
    intend(&replica, &charge).await;
    let undo = undo(&charge, "write_off");
    assert_eq!(brief(&serve(&replica, &undo).await), (Failed, "in_progress"));
    world.let_leases_pass().await;
    for _ in 0..2 {
        assert_eq!(brief(&serve(&replica, &undo).await), (Completed, ""));
    }
    assert_eq!(world.count("select count(*) as found from sale where returned").await, 1);
    assert_eq!(replica.lapsed(ALL).await.unwrap(), [], "nobody takes up what is undone");
    assert_eq!(brief(&serve(&replica, &charge).await), (Rejected, "compensated_already"));
    assert_eq!(world.provider.calls(&key(&charge)), 0);
}

async fn an_attempt_that_failed_is_begun_again_with_the_same_key(url: &str) {
    let world = World::new(url).await;
    let replica = world.replica().await;
    let charge = charge();
    world.provider.set_mood(Mood::LosesAnswers);
    assert_eq!(brief(&serve(&replica, &charge).await), (Unknown, "provider_silent"));
    assert_eq!(replica.lapsed(ALL).await.unwrap(), [], "it waits for the next attempt");
    world.provider.set_mood(Mood::Well);
    assert_eq!(brief(&serve(&replica, &next_attempt(&charge)).await), (Completed, ""));
    assert_eq!(world.provider.calls(&key(&charge)), 2);
    assert_eq!(world.provider.count(Charge::Taken), 1);

    world.provider.set_mood(Mood::Waits);
    let slow = action("shop", "charge_quickly", &());
    assert_eq!(brief(&serve(&replica, &slow).await), (Failed, "handler_timeout"));
    world.provider.set_mood(Mood::Well);
    assert_eq!(brief(&serve(&replica, &undo(&slow, "refund")).await), (Completed, ""));
    let unknown = action("shop", "give_away", &());
    assert_eq!(brief(&serve(&replica, &unknown).await), (Failed, "unknown_action"));
}

async fn a_refusal_from_outside_is_kept_only_where_it_is_final(url: &str) {
    let world = World::new(url).await;
    let replica = world.replica().await;
    let (final_no, mut retriable) = (charge(), charge());
    retriable.kind = StepKind::Retriable;
    world.provider.set_mood(Mood::Refuses);
    assert_eq!(brief(&serve(&replica, &final_no).await), (Rejected, "card_declined"));
    assert_eq!(brief(&serve(&replica, &retriable).await), (Rejected, "card_declined"));
    world.provider.set_mood(Mood::Well);
    assert_eq!(brief(&serve(&replica, &final_no).await), (Rejected, "card_declined"));
    let undone = serve(&replica, &undo(&final_no, "refund")).await;
    assert!(undone.output.is_some_and(|output| output.get().contains("nothing_to_undo")));
    assert_eq!(brief(&serve(&replica, &retriable).await), (Completed, ""), "it is tried anew");
    assert_eq!(world.provider.calls(&key(&final_no)), 1);
}
