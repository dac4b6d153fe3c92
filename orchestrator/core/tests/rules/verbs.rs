//! What operators may do, and what is refused with which word.

use crate::script::play;

/// One attempt each, so that one answer makes a step stuck.
const PIVOT: &str = "
steps:
  - { name: a, participant: p, action: act, compensation: undo,
      retry: &once { attempts: 1 }, compensation_retry: *once }
  - { name: b, participant: p, action: act, kind: pivot, retry: *once,
      output: &id { type: object, required: [id] } }
  - { name: c, participant: p, action: act, kind: retriable, retry: *once, output: *id }
";

#[test]
fn retry_sends_what_waits_now_and_begins_stuck_steps_anew() {
    let steps = "
steps:
  - { name: a, participant: p, action: act, compensation: undo, retry: { attempts: 2 } }
  - { name: b, participant: p, action: act, compensation: undo, needs: [] }
";
    play(
        steps,
        r#"
        start                       => running, send a#1, send b#1
        retry                       => no: nothing_to_retry
        a failed busy               => running
        b failed busy               => running
        retry a                     => running, send a#2
        retry a                     => no: nothing_to_retry
        retry z                     => no: unknown_step
        retry                       => running, send b#2
        -- it was the second of two attempts
        a failed busy   => compensating, undo unknown a#1, undo unknown b#1, back for busy
        undo a rejected closed      => stuck, a stuck for closed
        undo b failed busy          => stuck
        retry                       => compensating, undo unknown a#2, undo unknown b#2
        pause                       => compensating, paused
        retry                       => no: paused
        resume                      => compensating
        undo a completed            => compensating
        undo b completed            => compensated
        retry                       => no: ended
        "#,
    );
}

#[test]
fn retry_takes_up_what_was_set_aside() {
    play(
        PIVOT,
        r#"
        start                   => running, send a#1
        retry                   => no: nothing_to_retry
        set aside               => running
        pause                   => running, paused
        set aside               => running
        retry                   => no: paused
        resume                  => running
        set aside               => running
        retry                   => running
        retry                   => no: nothing_to_retry
        set aside               => running
        a completed             => running, send b#1
        retry                   => no: nothing_to_retry
        "#,
    );
}

#[test]
fn skip_lets_a_stuck_retriable_step_go() {
    play(
        PIVOT,
        r#"
        start                   => running, send a#1
        skip a                  => no: cannot_skip
        a completed             => running, send b#1
        b failed busy           => stuck, b stuck for busy
        -- never a pivot, and never an action before it
        skip b                  => no: cannot_skip
        skip a                  => no: cannot_skip
        skip z                  => no: unknown_step
        retry                   => running, send b#2
        b completed {"id":1}    => running, send c#1
        skip c                  => no: cannot_skip
        c failed busy           => stuck, c stuck for busy
        skip c                  => completed
        steps?                  => a completed, b completed, c skipped*
        c completed {"id":2}    => completed, c late
        skip c                  => no: ended
        "#,
    );
}

#[test]
fn skip_lets_the_effect_of_a_stuck_compensation_stand() {
    play(
        PIVOT,
        r#"
        start                   => running, send a#1
        a completed             => running, send b#1
        b rejected no           => compensating, undo completed a#1, back for no
        skip a                  => no: cannot_skip
        undo a failed busy      => stuck, a stuck for busy
        skip a                  => partly_compensated
        steps?                  => a compensated*, b rejected, c pending
        cause?                  => no of b
        cancel                  => no: unchanged
        undo a completed        => no: duplicate
        "#,
    );
}

#[test]
fn resolve_says_what_became_of_a_stuck_pivot() {
    play(
        PIVOT,
        r#"
        start                           => running, send a#1
        a completed                     => running, send b#1
        resolve b completed {"id":1}    => no: cannot_resolve
        b failed busy                   => stuck, b stuck for busy
        resolve a completed             => no: cannot_resolve
        resolve b completed             => no: output_invalid
        resolve b completed {"id":1}    => running, send c#1
        resolve b rejected              => no: cannot_resolve
        steps?                          => a completed, b completed*, c running
        b rejected no                   => running, b late, b contradicts
        "#,
    );
    play(
        PIVOT,
        r#"
        start                   => running, send a#1
        a completed             => running, send b#1
        b failed busy           => stuck, b stuck for busy
        resolve b rejected      => compensating, undo completed a#1, back for resolved
        undo a completed        => compensated
        steps?                  => a compensated, b rejected*, c pending
        b completed {"id":1}    => compensated, b late, b contradicts
        "#,
    );
}

#[test]
fn resolve_completes_a_stuck_retriable_step_or_a_stuck_compensation() {
    play(
        PIVOT,
        r#"
        start                           => running, send a#1
        a completed                     => running, send b#1
        b completed {"id":1}            => running, send c#1
        c rejected closed               => stuck, c stuck for closed
        resolve c rejected              => no: cannot_resolve
        resolve c completed {"id":"2"}  => completed
        steps?                          => a completed, b completed, c completed*
        output c?                       => {"id":"2"}
        resolve c completed             => no: ended
        "#,
    );
    play(
        PIVOT,
        r#"
        start                   => running, send a#1
        cancel                  => compensating, undo unknown a#1, back for cancelled
        resolve a completed     => no: cannot_resolve
        undo a unknown lost     => stuck, a stuck for lost
        resolve a rejected      => no: cannot_resolve
        -- done by hand
        resolve a completed     => compensated
        steps?                  => a compensated*, b pending, c pending
        "#,
    );
}

#[test]
fn cancel_compensates_what_runs_and_changes_nothing_that_turned_back() {
    play(
        PIVOT,
        r#"
        start                   => running, send a#1
        cancel                  => compensating, undo unknown a#1, back for cancelled
        cancel                  => no: unchanged
        undo a failed busy      => stuck, a stuck for busy
        cancel                  => no: unchanged
        retry                   => compensating, undo unknown a#2
        undo a completed        => compensated
        cancel                  => no: unchanged
        "#,
    );
    play(
        PIVOT,
        r#"
        start                   => running, send a#1
        a completed             => running, send b#1
        cancel                  => no: pivot_sent
        b failed busy           => stuck, b stuck for busy
        cancel                  => no: pivot_sent
        abandon                 => abandoned
        cancel                  => no: ended
        "#,
    );
}

#[test]
fn abandon_ends_any_saga_that_has_not_ended_and_undoes_nothing() {
    for before in [
        "a completed => running, send b#1",
        "pause => running, paused",
        "cancel => compensating, undo unknown a#1, back for cancelled",
    ] {
        let script = format!(
            "
            start       => running, send a#1
            {before}
            abandon     => abandoned
            cause?      => abandoned
            next?       => never
            abandon     => no: ended
            cancel      => no: ended
            pause       => no: ended
            resume      => no: ended
            due         => no: not_due
            "
        );
        play(PIVOT, &script);
    }
}

#[test]
fn pause_holds_a_stuck_saga_too_and_what_operators_settle_goes_on_after_it() {
    play(
        PIVOT,
        r#"
        start                           => running, send a#1
        resume                          => no: unchanged
        a completed                     => running, send b#1
        b failed busy                   => stuck, b stuck for busy
        pause                           => stuck, paused
        resolve b completed {"id":1}    => running, paused
        steps?                          => a completed, b completed*, c pending
        resume                          => running, send c#1
        c completed {"id":2}            => completed
        "#,
    );
}
