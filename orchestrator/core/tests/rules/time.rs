//! Passing time: deadlines, pauses, and when somebody looks.

use crate::script::play;

const LINE: &str = "
deadline: 60s
steps:
  - { name: a, participant: p, action: act, compensation: undo, timeout: 40s }
  - { name: b, participant: p, action: act, compensation: undo, timeout: 40s }
  - { name: c, participant: p, action: act, kind: pivot, timeout: 40s }
";

#[test]
fn a_deadline_turns_back_a_saga_whose_pivot_was_not_sent() {
    play(
        LINE,
        r#"
        start                   => running, send a#1
        at 30s a completed      => running, send b#1
        next?                   => 60s
        at 59.9s due            => no: not_due
        at 60s due      => compensating, undo unknown b#1, back for deadline_exceeded
        cause?                  => deadline_exceeded
        overdue?                => false
        undo b completed        => compensating, undo completed a#1
        -- it has acted, and only timeouts are left
        next?                   => 100s
        cancel                  => no: unchanged
        undo a completed        => compensated
        "#,
    );
}

#[test]
fn a_paused_saga_records_answers_and_sends_nothing() {
    play(
        LINE,
        r#"
        start                   => running, send a#1
        at 5s pause             => running, paused
        pause                   => no: unchanged
        next?                   => never
        look?                   => never
        at 50s due              => no: not_due
        retry                   => no: paused
        a completed             => running, paused
        steps?                  => a completed, b pending, c pending
        at 95s resume           => running, send b#1
        resume                  => no: unchanged
        -- the deadline stands ninety seconds later
        next?                   => 135s
        at 150s due     => compensating, undo unknown b#1, back for deadline_exceeded
        pause                   => compensating, paused
        undo b completed        => compensating, paused
        resume                  => compensating, undo completed a#1
        "#,
    );
}

#[test]
fn resuming_shifts_everything_due_by_the_length_of_the_pause() {
    let steps = "
deadline: 60s
steps:
  - { name: a, participant: p, action: act, compensation: undo, timeout: 20s, retry: &r
      { attempts: 2, initial: 2s, max: 2s } }
  - { name: b, participant: p, action: act, compensation: undo, timeout: 40s, needs: [] }
";
    play(
        steps,
        r#"
        start                   => running, send a#1, send b#1
        at 2s pause             => running, paused
        -- counted from the pause, as if no time passed
        at 70s a failed busy    => running, paused
        at 102s resume          => running
        next?                   => 103s
        look?                   => look at 103s
        at 103s due             => running, send a#2
        -- `b` is three seconds old, as if it had been sent a hundred seconds later
        look?                   => send b#1 again, look at 106s
        a completed             => running
        next?                   => 140s
        at 140s due             => running
        "#,
    );
}

#[test]
fn timers_are_what_time_brings_the_earliest_first() {
    let steps = "
deadline: 25s
steps:
  - { name: a, participant: p, action: act, compensation: undo, timeout: 20s, retry:
      { attempts: 2, initial: 2s, max: 2s } }
  - { name: b, participant: p, action: act, compensation: undo, timeout: 10s, needs: [] }
  - { name: c, participant: p, action: act, compensation: undo }
";
    play(
        steps,
        r#"
        start                   => running, send a#1, send b#1
        timers?                 => timeout b#1 at 10s, timeout a#1 at 20s, deadline at 25s
        at 5s a failed busy     => running
        timers?                 => retry a#2 at 6s, timeout b#1 at 10s, deadline at 25s
        -- the time of a paused saga stands still
        pause                   => running, paused
        at 65s timers?          => retry a#2 at 6s, timeout b#1 at 10s, deadline at 25s
        resume                  => running
        timers?                 => retry a#2 at 66s, timeout b#1 at 70s, deadline at 85s
        b completed             => running, send c#1
        cancel      => compensating, undo unknown a#1, undo unknown c#1, back for cancelled
        -- the deadline can do nothing any more, and a stuck step is moved by an operator alone
        undo a rejected no      => stuck, a stuck for no
        timers?                 => timeout undo c#1 at 75s
        abandon                 => abandoned
        timers?                 => none
        "#,
    );
}

#[test]
fn a_paused_saga_that_is_cancelled_turns_back_when_it_is_resumed() {
    play(
        LINE,
        r#"
        start                   => running, send a#1
        a completed             => running, send b#1
        pause                   => running, paused
        cancel                  => compensating, paused, back for cancelled
        cancel                  => no: unchanged
        b completed             => compensating, paused
        resume                  => compensating, undo completed b#1
        "#,
    );
    play(
        LINE,
        r#"
        start                   => running, send a#1
        pause                   => running, paused
        a rejected no           => compensating, paused, back for no
        resume                  => compensated
        "#,
    );
}

#[test]
fn an_unanswered_command_is_looked_at_after_3_6_12_and_at_most_every_300_seconds() {
    let steps = "
steps:
  - { name: a, participant: p, action: act, compensation: undo, timeout: 1h }
";
    play(
        steps,
        r#"
        start           => running, send a#1
        look?           => look at 3s
        at 2.9s look?   => look at 3s
        at 3s look?     => send a#1 again, look at 6s
        at 6s look?     => send a#1 again, look at 12s
        at 12s look?    => send a#1 again, look at 24s
        at 192s look?   => send a#1 again, look at 384s
        at 384s look?   => send a#1 again, look at 684s
        at 684s look?   => send a#1 again, look at 984s
        -- never beyond what is due
        at 3599s look?  => send a#1 again, look at 3600s
        at 3600s look?  => due
        due             => running
        -- the wait is due, and nothing is there to be sent again
        look?           => look at 3600.1s
        at 3600.1s look?    => due
        due             => running, send a#2
        look?           => look at 3603.1s
        "#,
    );
}

#[test]
fn what_is_due_at_once_is_decided_at_once_timeouts_before_retries() {
    let steps = "
steps:
  - name: a
    participant: p
    action: act
    compensation: undo
    timeout: 10s
    retry: { attempts: 1, initial: 2s, max: 2s }
  - { name: b, participant: p, action: act, compensation: undo, needs: [] }
";
    play(
        steps,
        r#"
        start               => running, send a#1, send b#1
        at 9.99s b failed busy  => running
        steps?              => a running, b waiting
        -- `a` turns the saga back, so `b` is not sent again
        at 60s due          => compensating, undo unknown a#1, undo unknown b#1, back for timeout
        "#,
    );
}
