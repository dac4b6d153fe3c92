//! The pivot: before it the saga can turn back, after it only go forward.

use crate::script::play;

/// The way through a pivot; `e` is retriable too and needs only the pivot.
const PIVOT: &str = "
deadline: 60s
steps:
  - { name: a, participant: p, action: act, compensation: undo }
  - name: b
    kind: pivot
    participant: p
    action: act
    query: find
    retry: { attempts: 2, initial: 1s, factor: 2, max: 4s }
  - name: c
    kind: retriable
    participant: p
    action: act
    output: { type: object }
    retry: { attempts: 2, initial: 1s, factor: 2, max: 4s }
  - { name: d, kind: retriable, participant: p, action: act }
  - { name: e, kind: retriable, participant: p, action: act, needs: [b] }
";

#[test]
fn a_refused_pivot_turns_the_saga_back() {
    play(
        PIVOT,
        r#"
        start               => running, send a#1
        a completed         => running, send b#1
        b rejected no       => compensating, undo completed a#1, back for no
        undo a completed    => compensated
        steps?              => a compensated, b rejected, c pending, d pending, e pending
        "#,
    );
}

#[test]
fn a_pivot_whose_attempts_are_used_up_is_stuck_and_nothing_is_assumed() {
    for (answer, outcome) in [
        ("b#1 completed", "running, send c#1, send e#1"),
        ("ask b completed", "running, send c#1, send e#1"),
        ("b#1 rejected no", "compensating, undo completed a#1, back for no"),
    ] {
        let script = format!(
            "
            start               => running, send a#1
            a completed         => running, send b#1
            b unknown lost      => running, ask b#1
            retry               => running, send b#2
            at 10s due          => stuck, ask b#2, b stuck for timeout
            steps?              => a completed, b failed, c pending, d pending, e pending
            ask b failed busy   => no: stale
            b#2 failed busy     => no: stale
            -- a late answer frees it without a human
            {answer}            => {outcome}
            "
        );
        play(PIVOT, &script);
    }
}

#[test]
fn a_sent_pivot_cannot_be_cancelled_and_its_deadline_only_marks_it() {
    play(
        PIVOT,
        r#"
        start                   => running, send a#1
        at 9s a completed       => running, send b#1
        cancel                  => no: pivot_sent
        b completed             => running, send c#1, send e#1
        cancel                  => no: pivot_sent
        c completed {}          => running, send d#1
        at 55s d failed busy    => running
        retry d                 => running, send d#2
        retry e                 => no: nothing_to_retry
        at 60s e completed      => running
        overdue?                => false
        due                     => running, overdue
        overdue?                => true
        -- it marks the saga once
        next?                   => 65s
        d completed             => completed
        cancel                  => no: ended
        "#,
    );
}

#[test]
fn what_cannot_be_rendered_for_the_pivot_turns_back_since_nothing_was_sent() {
    let steps = r#"
steps:
  - { name: a, participant: p, action: act, compensation: undo }
  - { name: b, kind: pivot, participant: p, action: act, input: "${input.none}" }
"#;
    play(
        steps,
        r#"
        start               => running, send a#1
        a completed         => compensating, undo completed a#1, back for expression_failed
        steps?              => a compensating, b pending
        cause?              => expression_failed of b
        undo a completed    => compensated
        "#,
    );
}

#[test]
fn a_retriable_step_that_refuses_or_gives_up_calls_a_human_while_others_go_on() {
    play(
        PIVOT,
        r#"
        start                   => running, send a#1
        a completed             => running, send b#1
        b completed             => running, send c#1, send e#1
        c rejected closed       => stuck, c stuck for closed
        c rejected closed       => no: stale
        cancel                  => no: pivot_sent
        -- an independent branch goes on, what it blocks waits
        e failed busy           => stuck
        retry e                 => stuck, send e#2
        e completed             => stuck
        steps?                  => a completed, b completed, c failed, d pending, e completed
        cause?                  => closed of c
        -- attempts begin anew: there are two again
        retry c                 => running, send c#2
        c#1 rejected closed     => no: stale
        c failed busy           => running
        retry                   => running, send c#3
        c failed busy           => stuck, c stuck for busy
        c#1 completed {}        => running, send d#1
        d completed             => completed
        "#,
    );
}
