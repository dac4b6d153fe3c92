//! What every store promises, run on each adapter, and what Postgres alone can be asked. Run with
//! `cargo run -p lab -- test`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod changing;
mod keeping;
mod postgres;
mod proxy;
mod reading;
mod starting;
mod support;

/// The promises, each a test on a fresh store that `$ground` makes.
macro_rules! contract {
    ($adapter:ident, $ground:path, { $($part:ident { $($promise:ident,)+ })+ }) => {
        mod $adapter {
            $($(
                #[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    let ground = $ground().await;
                    crate::$part::$promise(ground.store.clone(), ground.other.clone()).await;
                }
            )+)+
        }
    };
}

contract!(on_postgres, crate::postgres::ground, {
    starting {
        a_start_is_durable_and_may_be_repeated,
        keys_decide_what_a_start_comes_to,
        keys_decide_within_a_batch_too,
        many_starts_at_once_agree_on_one_saga_per_key,
    }
    changing {
        a_change_is_written_whole_with_its_journal,
        a_wrong_version_writes_nothing,
        what_is_busy_is_told_from_what_is_absent,
        due_sagas_are_claimed_once_earliest_first,
        wake_up_times_obey,
        many_changes_at_once_leave_no_gap,
    }
    keeping {
        only_a_later_look_of_the_same_version_postpones,
        a_saga_nobody_understands_is_set_aside,
        definitions_are_kept_by_content,
    }
    reading {
        lists_page_newest_first_and_filter,
        the_newest_saga_of_a_key_is_found,
        active_sagas_page_oldest_first,
        a_journal_pages_by_version,
        payloads_come_back_byte_for_byte,
    }
});
