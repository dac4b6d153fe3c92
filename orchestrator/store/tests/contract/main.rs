//! What every store promises, run on each adapter, and what one of them alone can be asked. Run
//! with `cargo run -p lab -- test`; only what is on Postgres needs a server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod changing;
mod keeping;
mod lettering;
mod memory;
mod postgres;
mod reading;
mod sqlite;
mod starting;
mod support;

/// The promises, each a test on each adapter: on a fresh store, and on another connection to it.
macro_rules! contract {
    ($($part:ident { $($promise:ident,)+ })+) => {
        mod on_postgres {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    let ground = crate::postgres::ground().await;
                    crate::$part::$promise(ground.store.clone(), ground.other.clone()).await;
                }
            )+)+
        }

        mod on_sqlite {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    let ground = crate::sqlite::ground().await;
                    let other = std::sync::Arc::new((*ground.store).clone());
                    crate::$part::$promise(ground.store.clone(), other).await;
                }
            )+)+
        }

        mod in_memory {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    let store = std::sync::Arc::new(saga_store::Memory::new());
                    let other = std::sync::Arc::new((*store).clone());
                    crate::$part::$promise(store, other).await;
                }
            )+)+
        }
    };
}

contract! {
    starting {
        a_start_is_durable_and_may_be_repeated,
        keys_decide_what_a_start_comes_to,
        keys_decide_within_a_batch_too,
        a_start_that_cannot_be_kept_stops_its_batch,
        many_starts_at_once_agree_on_one_saga_per_key,
    }
    changing {
        a_change_is_written_whole_with_its_journal,
        a_wrong_version_writes_nothing,
        what_is_busy_is_told_from_what_is_absent,
        what_is_held_is_passed_over_or_waited_for,
        what_must_never_be_is_refused_whole,
        due_sagas_are_claimed_once_earliest_first,
        wake_up_times_obey,
        many_changes_at_once_leave_no_gap,
    }
    keeping {
        only_a_later_look_of_the_same_version_postpones,
        a_saga_nobody_understands_is_set_aside,
        definitions_are_kept_by_content,
        versions_are_told_with_when_they_were_first_kept,
    }
    lettering {
        a_letter_is_kept_once_whatever_is_in_it,
        letters_page_newest_first_until_they_are_closed,
        a_letter_is_closed_once,
        pages_of_letters_are_limited_in_bytes,
    }
    reading {
        lists_page_newest_first_and_filter,
        the_newest_saga_of_a_key_is_found,
        unended_sagas_page_oldest_first,
        sagas_in_flight_are_counted_by_version,
        sagas_that_wake_up_page_by_their_times,
        pages_are_limited_in_bytes,
        a_journal_pages_by_version,
        payloads_come_back_byte_for_byte,
    }
}
