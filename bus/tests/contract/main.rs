//! What the port promises, on every adapter: one suite, run on a real RabbitMQ (`amqp::…`, with
//! `cargo run -p lab -- test`) and on the in-process bus (`in_process::…`, needs nothing).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

/// Runs the suite on one adapter.
macro_rules! contract {
    (#[$test:meta] $ground:ty) => {
        contract! { #[$test] $ground, promises:
            everything_of_a_message_arrives
            a_queue_is_reached_by_its_name_too
            replies_of_all_participants_come_together
            what_nobody_takes_is_told_and_its_neighbours_are_not_disturbed
            only_what_was_not_settled_comes_back
            one_that_takes_long_does_not_hold_up_the_others
            consumers_share_a_queue_and_hold_no_more_than_they_may
            rejected_goes_to_the_dead
            what_comes_back_too_often_goes_to_the_dead
            receives_what_is_there_and_no_more_than_asked
            a_full_queue_refuses_and_depth_tells
            a_closed_bus_answers_at_once
            what_cannot_be_sent_fails_alone
            whoever_finds_a_queue_missing_is_told_once
        }
        contract! { #[$test] $ground, recovery:
            cut_connections_come_back_with_what_was_not_settled
            dropped_without_a_goodbye_it_gives_back_what_it_held
            a_deleted_queue_is_made_anew_and_named
            a_participants_lost_queue_is_the_orchestrators_to_make
            a_queue_may_be_consumed_from_before_it_is_there
            a_purged_queue_works_on
            a_participant_alone_makes_its_queue
            waits_for_a_broker_that_is_not_there
            closes_without_ever_having_been_connected
            an_alarm_blocks_publishing_and_not_acknowledging
            a_restarted_broker_keeps_what_it_confirmed
        }
    };
    (#[$test:meta] $ground:ty, $file:ident: $($promise:ident)+) => {
        $(
            #[$test]
            async fn $promise() {
                crate::$file::$promise::<$ground>().await;
            }
        )+
    };
}

mod amqp;
mod ground;
mod in_process;
mod promises;
mod recovery;
mod support;
