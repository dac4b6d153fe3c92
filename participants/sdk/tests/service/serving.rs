//! What a participant does to its queue: when it takes, when it acknowledges, when it gives back.

use saga_bus::Settlement;
use saga_participant::Answer;

use crate::{
    bus::{CONCURRENCY, Serving},
    ground::{self, on_both},
    provider::{Charge, Mood},
    proxy::Proxy,
    support::{World, charge, key, next_attempt, sale},
};
use Settlement::{Acknowledge, Requeue};

on_both! {
    a_command_is_acknowledged_once_its_reply_is_confirmed,
    a_call_outside_is_answered_when_it_ends_and_its_delivery_is_not_held,
    what_a_replica_left_is_taken_up_by_the_next,
}

/// Calls outside the database at once, as the SDK allows them.
const CALLS_MAX: usize = 256;
/// How often the SDK tries to publish a reply.
const TRIES_MAX: usize = 5;

async fn a_command_is_acknowledged_once_its_reply_is_confirmed(url: &str) {
    let world = World::new(url).await;
    let serving = Serving::start(world.replica().await);
    let seen = &serving.seen;
    // Some are returned: it is tried again. All are: the command is given back, and done no second
    // time when it comes again.
    for (returned, given_back) in [(2, 0), (TRIES_MAX, 1)] {
        seen.return_next(returned);
        let before = seen.replies().len();
        serving.send(&sale());
        seen.until("the reply", |seen| seen.replies().len() == before + 1).await;
        seen.until("its settlement", |seen| seen.settled(Acknowledge) == before + 1).await;
        assert_eq!(seen.settled(Requeue), given_back);
    }
    // Where we panic between commit and reply, the broker has the command still.
    seen.panic_next();
    serving.send(&sale());
    seen.until("the last reply", |seen| seen.settled(Acknowledge) == 3).await;
    assert_eq!(seen.settled(Requeue), 2);
    assert_eq!(seen.replies(), ["completed"; 3]);
    assert_eq!(world.count("select count(*) as found from sale").await, 3);
    serving.end().await;
}

/// Whoever has the database away answers so once per command that it holds, and takes no more.
#[tokio::test]
async fn a_database_that_is_away_is_waited_for() {
    const COMMANDS: usize = 100;
    let ground = ground::postgres().await;
    let world = World::new(&ground.url).await;
    let proxy = Proxy::before(&ground.url).await;
    let serving = Serving::start(world.replica_at(&proxy.url).await);
    let seen = &serving.seen;
    proxy.set_down(true);
    (0..COMMANDS).for_each(|_| serving.send(&sale()));
    seen.until("the news", |seen| !seen.replies().is_empty()).await;
    proxy.refused(10).await;
    assert!(seen.taken() <= 2 * CONCURRENCY as usize, "took {} commands", seen.taken());
    assert!(seen.replies().iter().all(|reply| reply == "failed database_unavailable"));
    proxy.set_down(false);
    seen.until("the rest", |seen| seen.replies().len() == COMMANDS).await;
    let done = seen.replies().iter().filter(|reply| *reply == "completed").count();
    assert!(done >= COMMANDS - 2 * CONCURRENCY as usize, "{:?}", seen.replies());
    seen.until("the settlements", |seen| seen.settled(Acknowledge) == COMMANDS).await;
    assert_eq!(seen.settled(Requeue), 0);
    assert_eq!(
        world.count("select count(*) as found from sale").await,
        i64::try_from(done).unwrap()
    );
    serving.end().await;
}

async fn a_call_outside_is_answered_when_it_ends_and_its_delivery_is_not_held(url: &str) {
    let world = World::new(url).await;
    let serving = Serving::start(world.replica().await);
    let seen = &serving.seen;
    world.provider.set_mood(Mood::Waits);
    let first = charge();
    serving.send(&first);
    world.provider.taken(1).await;
    serving.send(&next_attempt(&first));
    seen.until("both acknowledged", |seen| seen.settled(Acknowledge) == 2).await;
    assert_eq!(seen.replies().len(), 0);

    // No more are taken than may be called.
    (0..CALLS_MAX + 10).for_each(|_| serving.send(&charge()));
    world.provider.taken(CALLS_MAX).await;
    assert_eq!(seen.taken(), CALLS_MAX + 1, "with the copy, which called nobody");
    world.provider.set_mood(Mood::Well);
    seen.until("all replies", |seen| seen.replies().len() == CALLS_MAX + 11).await;
    assert!(seen.replies().iter().all(|reply| reply == "completed"));
    assert_eq!(world.provider.count(Charge::Taken), CALLS_MAX + 11);
    serving.end().await;
}

async fn what_a_replica_left_is_taken_up_by_the_next(url: &str) {
    let world = World::new(url).await;
    let charge = charge();
    let Answer::Intent(_) = world.replica().await.handle(&charge).await else { panic!("none") };
    world.let_leases_pass().await;
    let serving = Serving::start(world.replica().await);
    serving.seen.until("a reply", |seen| seen.replies() == ["completed"]).await;
    assert_eq!(world.provider.calls(&key(&charge)), 1);
    assert_eq!(serving.seen.taken(), 0, "without a delivery");
    serving.end().await;
}
