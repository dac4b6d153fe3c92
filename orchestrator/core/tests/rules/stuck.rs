//! Bad answers and expressions that fail: undone before the pivot, a human's from there on.

use crate::script::{play, play_with};

/// A step whose output must have an `id`, before the pivot, at it, or after it.
const CHECKED: &str = "
steps:
  - name: a
    participant: p
    action: act
    compensation: undo
    output: &o { type: object, required: [id] }
  - { name: b, kind: pivot, participant: p, action: act, output: *o }
  - { name: c, kind: retriable, participant: p, action: act, output: *o }
";

#[test]
fn a_bad_output_before_the_pivot_counts_as_unknown_and_is_undone() {
    for (output, code) in [
        ("{}", "output_invalid"),
        ("", "output_invalid"),
        (r#"{"id":1,"id":2}"#, "output_invalid"),
        (r#"{"id":"\ud800"}"#, "output_invalid"),
        ("big:65537", "too_large"),
    ] {
        let script = format!(
            "
            start                   => running, send a#1
            a completed {output}    => compensating, undo unknown a#1, back for {code}
            cause?                  => {code} of a
            a completed {output}    => compensating, a late
            a completed {output}    => no: duplicate
            undo a completed        => compensated
            "
        );
        play(CHECKED, &script);
    }
}

#[test]
fn a_bad_output_at_the_pivot_or_after_it_is_stuck_until_a_good_one_comes() {
    play(
        CHECKED,
        r#"
        start                   => running, send a#1
        a completed {"id":1}    => running, send b#1
        b completed {}          => stuck, b stuck for output_invalid
        b completed {}          => no: duplicate
        -- told once for each way of being bad
        b completed big:65537   => stuck
        errors?                 => b too_large
        b completed big:65537   => no: duplicate
        b completed {"id":2}    => running, send c#1
        c completed             => stuck, c stuck for output_invalid
        retry                   => running, send c#2
        c#1 completed {"id":3}  => completed
        output c?               => {"id":3}
        "#,
    );
}

#[test]
fn a_state_over_its_limit_takes_no_further_output() {
    let mut steps = "steps:\n".to_owned();
    let mut script = "start => running, send a#1\n".to_owned();
    for (step, next) in [("a", "b"), ("b", "c"), ("c", "d")] {
        steps += &format!("  - {{ name: {step}, participant: p, action: act, compensation: u }}\n");
        script += &format!("{step} completed big:65536 => running, send {next}#1\n");
    }
    steps += "  - { name: d, participant: p, action: act, compensation: u }\n";
    script += "d completed big:65536 => compensating, undo unknown d#1, back for state_too_large\n";
    play(&steps, &script);
}

#[test]
fn an_expression_that_fails_before_the_pivot_turns_back_and_sends_nothing() {
    for field in
        ["when: input.none", r#"input: "${input.none}""#, r#"input: "${1 / (input.n - 1)}""#]
    {
        let steps = format!(
            "
steps:
  - {{ name: a, participant: p, action: act, compensation: undo }}
  - {{ name: b, participant: p, action: act, compensation: undo, {field} }}
"
        );
        play(
            &steps,
            r#"
            start               => running, send a#1
            a completed         => compensating, undo completed a#1, back for expression_failed
            cause?              => expression_failed of b
            undo a completed    => compensated
            steps?              => a compensated, b pending
            "#,
        );
    }
}

#[test]
fn an_expression_that_fails_after_the_pivot_or_in_a_compensation_is_stuck() {
    let after = r#"
steps:
  - { name: b, kind: pivot, participant: p, action: act }
  - { name: c, kind: retriable, participant: p, action: act, input: "${input.none}" }
"#;
    play(
        after,
        r#"
        start               => running, send b#1
        b completed         => stuck, c stuck for expression_failed
        c completed         => no: not_outstanding
        retry               => no: nothing_to_retry
        resolve c completed => completed
        "#,
    );
    let backward = r#"
steps:
  - name: a
    participant: p
    action: act
    compensation: undo
    compensation_input: "${input.none}"
"#;
    play(
        backward,
        r#"
        start               => running, send a#1
        cancel              => stuck, back for cancelled, a stuck for expression_failed
        undo a completed    => no: not_outstanding
        retry a             => no: nothing_to_retry
        resolve a completed => compensated
        steps?              => a compensated*
        "#,
    );
}

#[test]
fn an_output_of_the_saga_that_fails_turns_back_unless_the_pivot_is_behind() {
    let output = r#"output: "${input.none}""#;
    play(
        &format!(
            "{output}
steps:
  - {{ name: a, participant: p, action: act, compensation: undo }}
"
        ),
        r#"
        start               => running, send a#1
        a completed         => compensating, undo completed a#1, back for expression_failed
        undo a completed    => compensated
        "#,
    );
    play(
        &format!(
            "{output}
steps:
  - {{ name: a, participant: p, action: act, kind: pivot }}
"
        ),
        r#"
        start               => running, send a#1
        a completed         => completed
        cause?              => expression_failed
        output?             => none
        "#,
    );
}

#[test]
fn a_body_over_its_limit_is_not_sent() {
    let steps = r#"
steps:
  - { name: a, participant: p, action: act, compensation: undo, input: "${input}" }
"#;
    let input = format!("{:?}", "x".repeat(1024 * 1024));
    play_with(
        &input,
        steps,
        r#"
        start               => compensated, back for too_large
        steps?              => a pending
        "#,
    );
}

#[test]
fn a_stuck_compensation_is_freed_by_a_late_answer_and_blocks_only_what_is_behind_it() {
    let steps = "
steps:
  - { name: a, participant: p, action: act, compensation: undo }
  - { name: b, participant: p, action: act, compensation: undo, needs: [a] }
  - { name: c, participant: p, action: act, compensation: undo, needs: [] }
  - { name: d, participant: p, action: act, compensation: undo, needs: [c] }
";
    play(
        steps,
        r#"
        start                   => running, send a#1, send c#1
        a completed             => running, send b#1
        c completed             => running, send d#1
        cancel  => compensating, undo unknown b#1, undo unknown d#1, back for cancelled
        undo b rejected closed  => stuck, b stuck for closed
        undo d completed        => stuck, undo completed c#1
        undo c completed        => stuck
        cancel                  => no: unchanged
        undo b#1 completed      => compensating, undo completed a#1
        undo a completed        => compensated
        "#,
    );
}
