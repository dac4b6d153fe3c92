//! Backward: who is undone when, what a compensation knows and says, and what comes too late.

use crate::script::play;

/// `b` and `c` need `a`; `s`, which is skipped, needs `b`; `d` needs `s` and `c`.
const PARALLEL: &str = "
steps:
  - { name: a, participant: p, action: act, compensation: undo }
  - { name: b, participant: p, action: act, compensation: undo, needs: [a] }
  - { name: c, participant: p, action: act, compensation: undo, needs: [a] }
  - { name: s, participant: p, action: act, compensation: undo, needs: [b], when: input.no }
  - { name: d, participant: p, action: act, compensation: undo, needs: [s, c] }
";

#[test]
fn steps_are_undone_once_their_dependents_are_also_through_skipped_ones() {
    play(
        PARALLEL,
        r#"
        start               => running, send a#1
        a completed         => running, send b#1, send c#1
        b completed         => running
        c completed         => running, send d#1
        -- `d` in flight is undone at once, and `b` waits for it behind the skipped `s`
        cancel              => compensating, undo unknown d#1, back for cancelled
        undo d completed    => compensating, undo completed b#1, undo completed c#1
        undo c completed    => compensating
        undo b completed    => compensating, undo completed a#1
        undo a completed    => compensated
        steps?  => a compensated, b compensated, c compensated, s skipped, d compensated
        cause?              => cancelled
        "#,
    );
}

#[test]
fn turning_back_ends_waits_sends_no_action_and_undoes_all_in_flight() {
    play(
        PARALLEL,
        r#"
        start               => running, send a#1
        a completed         => running, send b#1, send c#1
        b failed busy       => running
        steps?              => a completed, b waiting, c running, s pending, d pending
        -- what was refused has no effect, and what was never sent neither
        c rejected no       => compensating, undo unknown b#1, back for no
        undo b completed    => compensating, undo completed a#1
        undo a completed    => compensated
        steps?              => a compensated, b compensated, c rejected, s pending, d pending
        cause?              => no of c
        "#,
    );
}

#[test]
fn a_step_with_nothing_to_undo_passes_on_what_is_behind_it() {
    let steps = "
steps:
  - { name: a, participant: p, action: act, compensation: undo }
  - { name: b, participant: p, action: act, compensation: none }
  - { name: c, participant: p, action: act, compensation: none }
";
    play(
        steps,
        r#"
        start               => running, send a#1
        a completed         => running, send b#1
        b completed         => running, send c#1
        c rejected no       => compensating, undo completed a#1, back for no
        steps?              => a compensating, b compensated, c rejected
        undo a completed    => compensated
        "#,
    );
}

/// One step whose compensation has an input of its own.
const ONE: &str = r#"
steps:
  - name: a
    participant: p
    action: act
    compensation: undo
    input: { amount: "${input.n}" }
    output: {}
  - { name: b, participant: p, action: act, compensation: undo, input: { id: "${steps.a.output}" } }
  - { name: c, participant: p, action: act, compensation: undo, needs: [a] }
"#;

#[test]
fn a_late_output_changes_no_command_that_was_decided() {
    play(
        ONE,
        r#"
        start                   => running, send a#1
        body a?                 => {"amount":1}
        a completed 7           => running, send b#1, send c#1
        b rejected no           => compensating, undo unknown c#1, back for no
        c completed 8           => compensating, c late
        -- three seconds later it is sent again, and after its timeout anew: the same bytes
        at 3s look?             => undo unknown c#1 again, look at 6s
        body c?                 => {"action":"unknown","input":{},"output":null}
        at 10s due              => compensating
        retry                   => compensating, undo unknown c#2
        body c?                 => {"action":"unknown","input":{},"output":null}
        output c?               => none
        undo c#1 completed      => compensating, undo completed a#1
        body a?                 => {"action":"completed","input":{"amount":1},"output":7}
        undo a completed        => compensated
        "#,
    );
}

#[test]
fn a_compensation_can_be_given_an_input_of_its_own() {
    let steps = r#"
steps:
  - name: a
    participant: p
    action: act
    compensation: undo
    compensation_input: { amount: "${action.input.n}", id: "${action.output}" }
    input: { n: "${input.n}" }
"#;
    play(
        steps,
        r#"
        start           => running, send a#1
        cancel          => compensating, undo unknown a#1, back for cancelled
        body a?         => {"action":"unknown","input":{"amount":1,"id":null},"output":null}
        undo a failed busy  => compensating
        retry           => compensating, undo unknown a#2
        body a?         => {"action":"unknown","input":{"amount":1,"id":null},"output":null}
        "#,
    );
}

#[test]
fn a_final_answer_that_is_too_late_is_journaled_once_and_moves_nothing() {
    play(
        ONE,
        r#"
        start                       => running, send a#1
        cancel                      => compensating, undo unknown a#1, back for cancelled
        a failed busy               => no: stale
        a rejected no               => compensating, a late
        a rejected no               => no: duplicate
        a completed 7               => compensating, a late
        a completed 7               => no: duplicate
        a rejected no               => no: duplicate
        undo a completed            => compensated
        undo a completed            => no: duplicate
        undo a failed busy          => no: stale
        a completed 7               => no: duplicate
        "#,
    );
}

#[test]
fn completed_and_nothing_to_undo_contradict_each_other_in_either_order() {
    play(
        ONE,
        r#"
        start                                       => running, send a#1
        cancel                          => compensating, undo unknown a#1, back for cancelled
        undo a completed {"nothing_to_undo":true}   => compensated
        -- the tombstone's answer to an action that came after it
        a rejected compensated_already              => compensated, a late
        a completed 7                               => compensated, a late, a contradicts
        "#,
    );
    play(
        ONE,
        r#"
        start                                       => running, send a#1
        cancel                          => compensating, undo unknown a#1, back for cancelled
        a completed 7                               => compensating, a late
        undo a completed {"nothing_to_undo":true}   => compensated, a contradicts
        "#,
    );
}

#[test]
fn answers_after_the_end_are_late_and_leave_it() {
    play(
        ONE,
        r#"
        start                   => running, send a#1
        a rejected no           => compensated, back for no
        a completed 7           => compensated, a late, a contradicts
        at 700s due             => no: not_due
        "#,
    );
    play(
        ONE,
        r#"
        start                   => running, send a#1
        a completed 7           => running, send b#1, send c#1
        abandon                 => abandoned
        b completed             => abandoned, b late
        b completed             => no: duplicate
        a completed 7           => no: duplicate
        c failed busy           => no: stale
        steps?                  => a completed, b running, c running
        next?                   => never
        "#,
    );
}

#[test]
fn a_refused_compensation_means_a_human_at_once() {
    play(
        ONE,
        r#"
        start                   => running, send a#1
        cancel                  => compensating, undo unknown a#1, back for cancelled
        undo a rejected closed  => stuck, a stuck for closed
        cause?                  => closed of a
        look?                   => never
        -- `retry` runs the handler anew
        retry                   => compensating, undo unknown a#2
        undo a#1 rejected no    => no: stale
        undo a#2 completed      => compensated
        cause?                  => cancelled
        "#,
    );
}

#[test]
fn a_participant_that_lost_its_memory_is_never_believed() {
    for answer in ["failed effect_missing", r#"completed {"nothing_to_undo":true}"#] {
        let note = if answer.starts_with("completed") { ", a contradicts" } else { "" };
        let script = format!(
            "
            start                   => running, send a#1
            a completed 7           => running, send b#1, send c#1
            b rejected no           => compensating, undo unknown c#1, back for no
            undo c completed        => compensating, undo completed a#1
            undo a {answer}         => stuck{note}, a stuck for effect_missing
            "
        );
        play(ONE, &script);
    }
}
