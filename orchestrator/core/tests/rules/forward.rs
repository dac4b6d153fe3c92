//! Forward: what begins when, which answers settle a step, and retries.

use crate::script::play;

/// `b` and `c` need `a`; `d` needs both; `e` needs nothing.
const PARALLEL: &str = "
steps:
  - { name: a, participant: p, action: act, compensation: undo }
  - { name: b, participant: p, action: act, compensation: undo }
  - { name: c, participant: p, action: act, compensation: undo, needs: [a] }
  - { name: d, participant: p, action: act, compensation: undo, needs: [b, c] }
  - { name: e, participant: p, action: act, compensation: undo, needs: [] }
";

#[test]
fn a_step_begins_once_all_it_needs_is_completed() {
    play(
        PARALLEL,
        r#"
        start               => running, send a#1, send e#1
        a completed         => running, send b#1, send c#1
        c completed         => running
        steps?              => a completed, b running, c completed, d pending, e running
        b completed         => running, send d#1
        d completed         => running
        e completed         => completed
        steps?              => a completed, b completed, c completed, d completed, e completed
        next?               => never
        look?               => never
        "#,
    );
}

#[test]
fn a_step_whose_when_is_false_is_skipped_and_its_dependents_run() {
    let steps = r#"
output: { of_b: "${steps.b.output}", of_c: "${steps.c.output == null ? 0 : steps.c.output.n}" }
steps:
  - { name: a, participant: p, action: act, compensation: undo, when: input.no }
  - { name: b, participant: p, action: act, compensation: undo, when: input.no, output: {} }
  - name: c
    participant: p
    action: act
    compensation: undo
    when: "input.yes && steps.b.output == null"
    input: { of_b: "${steps.b.output}" }
    output: { type: object }
"#;
    play(
        steps,
        r#"
        start               => running, send c#1
        steps?              => a skipped, b skipped, c running
        body c?             => {"of_b":null}
        c completed {"n":7} => completed
        output?             => {"of_b":null,"of_c":7}
        "#,
    );
}

/// Two attempts with a wait of half a second between them.
const TWICE: &str = "
steps:
  - name: a
    participant: p
    action: act
    compensation: undo
    timeout: 10s
    retry: { attempts: 2, initial: 1s, factor: 2, max: 4s }
    compensation_timeout: 5s
    compensation_retry: { attempts: 3, initial: 2s, factor: 4, max: 8s }
";

#[test]
fn completed_or_rejected_of_any_attempt_settles_a_step() {
    play(
        TWICE,
        r#"
        start                   => running, send a#1
        at 10s due              => running
        steps?                  => a waiting
        -- between attempts
        a#1 completed           => completed
        "#,
    );
    play(
        TWICE,
        r#"
        start                   => running, send a#1
        at 10s due              => running
        at 10.5s due            => running, send a#2
        a#1 rejected no         => compensated, back for no
        cause?                  => no of a
        a#2 rejected no         => no: duplicate
        a#2 failed busy         => no: stale
        "#,
    );
}

#[test]
fn failed_and_unknown_count_for_the_current_attempt_only() {
    play(
        TWICE,
        r#"
        start                   => running, send a#1
        at 1s a failed busy     => running
        errors?                 => a busy
        a failed busy           => no: stale
        a unknown lost          => no: stale
        next?                   => 1.5s
        at 1.4s due             => no: not_due
        at 1.5s due             => running, send a#2
        a#1 failed busy         => no: stale
        a#1 unknown lost        => no: stale
        next?                   => 11.5s
        a#2 unknown lost        => compensating, undo unknown a#1, back for lost
        cause?                  => lost of a
        "#,
    );
}

#[test]
fn answers_that_fit_nothing_are_told_apart() {
    play(
        PARALLEL,
        r#"
        start                           => running, send a#1, send e#1
        z completed                     => no: unknown_step
        b#1 completed                   => no: not_outstanding
        a#0 completed                   => no: not_outstanding
        a#2 completed                   => no: not_outstanding
        undo a#1 completed              => no: not_outstanding
        a completed by q                => no: foreign_participant, parked
        a completed to another body     => no: body_mismatch, parked
        a completed by p                => running, send b#1, send c#1
        a completed by p                => no: duplicate
        a failed busy                   => no: stale
        "#,
    );
}

#[test]
fn attempts_are_counted_per_step_and_phase_with_growing_waits() {
    play(
        TWICE,
        r#"
        start                       => running, send a#1
        at 0s a failed busy         => running
        at 0.5s due                 => running, send a#2
        -- the second attempt is the last: unanswered, it counts as unknown
        at 10.4s due                => no: not_due
        at 10.5s due                => compensating, undo unknown a#1, back for timeout
        -- the compensation has three attempts of five seconds, waits of its own
        at 15.5s due                => compensating
        next?                       => 16.5s
        at 16.5s due                => compensating, undo unknown a#2
        undo a#2 failed busy        => compensating
        next?                       => 20.5s
        at 20.5s due                => compensating, undo unknown a#3
        undo a#3 unknown lost       => stuck, a stuck for lost
        next?                       => never
        "#,
    );
}

#[test]
fn attempts_and_waits_have_the_defaults_of_the_documentation() {
    let step = "
steps:
  - { name: a, participant: p, action: act, compensation: undo }
";
    play(
        step,
        r#"
        start                       => running, send a#1
        next?                       => 10s
        at 0s a failed busy         => running
        next?                       => 100ms
        at 0.1s due                 => running, send a#2
        a failed busy               => running
        next?                       => 300ms
        at 0.3s due                 => running, send a#3
        a failed busy               => running
        next?                       => 700ms
        at 0.7s due                 => running, send a#4
        a failed busy               => running
        next?                       => 1.5s
        at 1.5s due                 => running, send a#5
        a failed busy               => compensating, undo unknown a#1, back for busy
        undo a failed busy          => compensating
        next?                       => 1.75s
        "#,
    );
}

#[test]
fn a_query_can_only_complete_a_step() {
    let steps = "
steps:
  - name: a
    participant: p
    action: act
    compensation: undo
    query: find
    output: { type: object }
    retry: { attempts: 3, initial: 1s, factor: 1, max: 1s }
";
    play(
        steps,
        r#"
        start                       => running, send a#1
        at 10s due                  => running, ask a#1
        ask a rejected no           => no: stale
        ask a failed busy           => no: stale
        ask a unknown lost          => no: stale
        -- an output that the step must not have completes nothing
        ask a completed 7           => no: stale
        at 10.5s due                => running, send a#2
        -- only not knowing asks
        a failed busy               => running
        at 11s due                  => running, send a#3
        ask a completed {}          => completed
        "#,
    );
}
