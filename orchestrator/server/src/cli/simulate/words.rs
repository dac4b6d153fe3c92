//! The words of `saga simulate`: for what goes wrong, for how it ends, and for what an operator
//! does about what is stuck.

use saga_core::rehearsal::{Mishap, Run, Unready, What};
use saga_protocol::{Phase, StepKind};

use super::found::{Ends, Simulated, Way};
use crate::cli::view::{count, span};

/// What stands in the columns of the table.
pub(super) const COLUMNS: &str = "\
Columns of the table:
  step      the step; `(compensation)` or `(query)` where the fault is at that command of it
  fault     what goes wrong there, once; faults that come to the same share a row
  skipped   the steps that conditions skip, where the end hangs on that; there are several cases
            then: inputs and outputs that meet conditions both ways
  ends      `completed`, `compensated`, or `stuck`: a step needs an operator. Whatever ends
            OTHERWISE is a defect of this program
  because   the step and the code of what turned the saga back or made it stuck. Of one that
            completed: `pivot_sent`, it could not be cancelled any more, since the point of no
            return was sent; `overdue`, its deadline passed after that, which only counts
  undone    compensations that were done, in order; `(step)` had nothing to undo
  at worst  until the end, with waits at their longest and lost messages until they are missed; an
            answer that comes takes no time
  messages  commands and answers, those that were lost too

It exits with 1 where a run ends otherwise, or does not complete with the input that was given \
though nothing goes wrong; with 2 where something cannot be read or played.";

/// What goes wrong, for people.
pub(super) const fn fault(what: What) -> &'static str {
    match what {
        What::Refused => "refused",
        What::Failed => "fails every time",
        What::TimedOutDone => "done, never answered",
        What::TimedOut => "never arrives",
        What::Unknown => "outcome unknown every time",
        What::OutputInvalid => "output not valid",
        What::LostCommand => "command lost",
        What::LostReply => "answer lost",
        What::Duplicate => "answered twice",
        What::Late => "answered too late",
        What::Restart => "orchestrator restarts",
        What::Cancel => "cancelled meanwhile",
        What::Deadline => "deadline passes meanwhile",
    }
}

/// The step, and which of its commands where that is not its action.
pub(super) fn place(simulated: &Simulated, step: usize, phase: Phase) -> String {
    let name = simulated.name(step);
    match phase {
        Phase::Action => name.to_owned(),
        Phase::Compensation | Phase::Query => format!("{name} ({phase})"),
    }
}

/// Why it ended so: what was broken, where something was; else the step and a stable word.
pub(super) fn because(run: &Run) -> String {
    if !run.broken.is_empty() {
        return run.broken.join("; ");
    }
    run.because.as_ref().map_or_else(String::new, |cause| match &cause.step {
        Some(step) => format!("{step}: {}", cause.code),
        None => cause.code.clone(),
    })
}

/// How long it takes.
pub(super) fn length(run: std::time::Duration) -> String {
    if run.is_zero() { "at once".to_owned() } else { span(run) }
}

/// What all runs came to, in a few lines.
pub(super) fn summary(simulated: &Simulated) -> String {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut lines = Vec::new();
    let ends = simulated.ends();
    let with = |runs: usize, what| format!("{} with {what}", count(number(runs), "run"));
    lines.push(format!("{}: {}", with(ends.runs, "one fault"), told(&ends)));
    if let Some(pairs) = &simulated.pairs {
        let excluded = pairs.tried - pairs.ends.runs;
        let share = if pairs.tried < pairs.possible {
            format!("; a sample: {} of {} pairs were tried", pairs.tried, pairs.possible)
        } else {
            String::new()
        };
        lines.push(format!(
            "{} ({excluded} more pairs exclude each other{share}): {}",
            with(pairs.ends.runs, "two"),
            told(&pairs.ends)
        ));
    }
    for one_way in &simulated.one_way {
        let name = simulated.name(one_way.step);
        let was = match one_way.always {
            Some(always) => format!("was never {}", !always),
            None => "was never evaluated".to_owned(),
        };
        lines.push(match simulated.is_input_given {
            true => format!("the condition of `{name}` {was} with the input that was given"),
            false => {
                format!("the condition of `{name}` {was}: no input was found that makes it so")
            }
        });
    }
    for run in simulated.incomplete() {
        let input = match simulated.is_input_given {
            true => "the input that was given",
            false => "an input that the schema allows",
        };
        let line = format!(
            "with {input} the saga does not complete, though nothing goes wrong: it is \
             {} ({})",
            run.ends,
            because(run)
        );
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    for run in simulated.otherwise() {
        let faults: Vec<_> = run.mishaps.iter().map(|it| mishap(simulated, it)).collect();
        lines.push(format!("ends otherwise: {}: {}", faults.join(" and "), because(run)));
    }
    lines.join("\n")
}

fn mishap(simulated: &Simulated, mishap: &Mishap) -> String {
    format!("{} {}", place(simulated, mishap.step, mishap.phase), fault(mishap.what))
}

fn told(ends: &Ends) -> String {
    if ends.runs == 0 {
        return "nothing can go wrong".to_owned();
    }
    let mut told: Vec<_> =
        ends.by_status.iter().map(|(status, runs)| format!("{runs} {status}")).collect();
    if ends.otherwise > 0 {
        told.push(format!("{} OTHERWISE", ends.otherwise));
    }
    told.push(format!("the longest in {}", length(ends.longest)));
    told.join(", ")
}

/// What to do where a definition cannot be played.
pub(super) fn way_out(unready: &Unready) -> &'static str {
    match unready {
        Unready::Input { .. } | Unready::Incomplete { .. } => {
            "give one with `--input FILE`, or give the schema `examples`"
        }
        Unready::Given { .. } => "mend the input, or name only definitions that take it",
        Unready::Output { .. } => "give the step's `output` schema `examples`",
    }
}

/// One line for each command that may need an operator, with what he does then.
pub(super) fn warnings(simulated: &Simulated) -> Vec<String> {
    let ways: Vec<_> = simulated.stuck().into_iter().collect();
    let is_together = |a: &(Way, bool), b: &(Way, bool)| (a.0.0, a.0.1) == (b.0.0, b.0.1);
    let lines = ways.chunk_by(is_together).filter_map(|ways| {
        let ((step, phase, _), _) = ways.first()?;
        let code = |((.., code), needs_two): &(Way, bool)| match needs_two {
            true => format!("{code} after another fault"),
            false => code.clone(),
        };
        let codes: Vec<_> = ways.iter().map(code).collect();
        let step = &simulated.steps[*step];
        let (what, way_out) = match (phase, step.kind) {
            (Phase::Compensation, _) => (
                format!("the compensation of `{}`", step.name),
                "`saga retry` makes its attempts anew, `saga resolve` says that it was undone by \
                 hand, `saga skip` lets the effect stand",
            ),
            (Phase::Action | Phase::Query, StepKind::Pivot) => (
                format!("`{}`, the pivot,", step.name),
                "find out whether it took effect and say so with `saga resolve`, or ask again \
                 with `saga retry`",
            ),
            (Phase::Action | Phase::Query, _) => (
                format!("`{}`", step.name),
                "`saga retry` makes its attempts anew, `saga resolve` says that it was done by \
                 hand, `saga skip` goes on without it",
            ),
        };
        let saga = &simulated.definition;
        Some(format!("{saga}: {what} can get stuck ({}): {way_out}", codes.join(", ")))
    });
    lines.collect()
}
