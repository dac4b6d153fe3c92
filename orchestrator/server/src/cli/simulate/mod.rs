//! `saga simulate`: everything that can go wrong with a definition's sagas, and what becomes of
//! them, without an orchestrator. The runs are `saga_core::rehearsal`'s; here they are told.

mod found;
mod json;
mod rows;
mod words;

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use saga_core::{Definition, rehearsal::Rehearsal};
use saga_protocol::Json;
use serde_json::value::RawValue;

use self::found::{Pairs, Simulated};
use super::{
    Failure, Status, output,
    paths::{self, Paths},
    start,
};

const COMMAND: &str = "simulate";

/// How long pairs of faults are run, for all definitions together: whoever waits for the table
/// waits for nothing else.
const PAIRS_BUDGET: Duration = Duration::from_secs(5);

/// What `saga simulate` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    paths: Paths,
    /// The file of the input that every saga is given, which is JSON; `-` is the standard input.
    /// Without it, an input is made up from the definition's schema
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Runs pairs of faults too, as many as fit in five seconds; it does unless told otherwise
    #[arg(long, overrides_with = "no_pairs")]
    pairs: bool,
    /// Runs single faults only
    #[arg(long, overrides_with = "pairs")]
    no_pairs: bool,
    /// Prints one JSON document instead of tables
    #[arg(long)]
    json: bool,
}

/// Plays every definition through whatever can go wrong.
pub(crate) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let input = arguments.input.as_deref().map(read).transpose()?;
    let files = arguments.paths.files(COMMAND)?;
    let share = u32::try_from(files.len()).unwrap_or(u32::MAX).max(1);
    let budget = (arguments.pairs || !arguments.no_pairs).then(|| PAIRS_BUDGET / share);
    let mut wrong = Vec::new();
    let mut all = Vec::new();
    for file in files {
        match paths::read(&file, COMMAND)? {
            Ok(definition) => {
                let rehearsal = Rehearsal::of(&definition, input.as_ref());
                let rehearsal = rehearsal.map_err(|unready| {
                    let hint = "give sagas an input with `--input FILE`, or the schema `examples`";
                    Failure::cannot(unready.to_string()).hint(hint)
                })?;
                let simulated = simulate(&file, &definition, &rehearsal, budget, arguments.json)?;
                all.push(simulated);
            }
            Err(diagnostics) => wrong.extend(diagnostics),
        }
    }
    if arguments.json {
        output::data(&json::document(&all, &wrong))?;
    } else if !wrong.is_empty() {
        let told: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        output::data(&told.join("\n"))?;
    }
    let is_sound = all.iter().all(|simulated| simulated.otherwise().next().is_none());
    Ok(if is_sound && wrong.is_empty() { Status::Done } else { Status::No })
}

/// Plays one definition, and tells what is found as it is found.
fn simulate(
    file: &Path,
    definition: &Definition,
    rehearsal: &Rehearsal<'_>,
    budget: Option<Duration>,
    is_json: bool,
) -> Result<Simulated, Failure> {
    let mut simulated = Simulated::of(file, definition, rehearsal);
    if !is_json {
        output::data(&rows::table(&simulated))?;
    }
    simulated.pairs = budget.map(|budget| run_pairs(rehearsal, budget));
    if !is_json {
        output::data(&words::summary(&simulated))?;
        words::warnings(&simulated).iter().for_each(|warning| output::warn(warning));
    }
    Ok(simulated)
}

/// As many pairs as there is time for.
fn run_pairs(rehearsal: &Rehearsal<'_>, budget: Duration) -> Pairs {
    let begun = Instant::now();
    let runs = rehearsal.pairs();
    let mut pairs = Pairs { possible: runs.len(), ..Pairs::default() };
    for run in runs {
        pairs.take(run);
        if begun.elapsed() >= budget {
            break;
        }
    }
    pairs
}

fn read(path: &Path) -> Result<Json, Failure> {
    let bytes = start::read(path)?;
    let text = String::from_utf8(bytes).map_err(|error| error.to_string());
    let input = text.and_then(|text| RawValue::from_string(text).map_err(|it| it.to_string()));
    input.map_err(|error| {
        Failure::cannot(format!("the input `{}` is not JSON: {error}", path.display()))
    })
}
