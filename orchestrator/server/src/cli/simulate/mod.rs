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

use saga_core::{
    Diagnostic,
    definition::Severity,
    rehearsal::{Rehearsal, Unready},
};
use saga_protocol::Json;
use serde_json::{Value, json, value::RawValue};

use self::found::{Pairs, Simulated};
use super::{
    Failure, Status, output,
    paths::{Paths, Unreadable},
    start,
};

const COMMAND: &str = "simulate";

/// How long pairs of faults are run, for all definitions together: whoever waits for the table
/// waits for nothing else.
const PAIRS_BUDGET: Duration = Duration::from_secs(5);

/// What `saga simulate` takes.
#[derive(clap::Args)]
#[command(after_long_help = words::COLUMNS)]
pub(crate) struct Arguments {
    #[command(flatten)]
    paths: Paths,
    /// The file of the input that every saga is given, which is JSON; `-` is the standard input.
    /// Without it, an input is made up from the definition's schema
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Runs pairs of faults too, as many as fit in five seconds; it does unless told otherwise
    #[arg(long, conflicts_with = "no_pairs")]
    pairs: bool,
    /// Runs single faults only
    #[arg(long)]
    no_pairs: bool,
    /// Prints one JSON document instead of tables
    #[arg(long)]
    json: bool,
}

/// What there is to tell.
#[derive(Default)]
struct Told {
    all: Vec<Simulated>,
    wrong: Vec<Diagnostic>,
    unreadable: Vec<Unreadable>,
    /// Definitions that cannot be played, with their files.
    unready: Vec<(PathBuf, Unready)>,
}

/// Plays every definition through whatever can go wrong.
pub(crate) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let input = arguments.input.as_deref();
    if arguments.paths.have_stdin() && input == Some(Path::new("-")) {
        let message = "the standard input cannot be both a definition and the input";
        return Err(Failure::cannot(message).hint("name a file for one of them"));
    }
    let input = input.map(read).transpose()?;
    let found = arguments.paths.read();
    let share = u32::try_from(found.files.len()).unwrap_or(u32::MAX).max(1);
    let budget = (arguments.pairs || !arguments.no_pairs).then(|| PAIRS_BUDGET / share);
    let mut told = Told { unreadable: found.unreadable, ..Told::default() };
    for (file, parsed) in found.files {
        match parsed {
            Ok(definition) => match Rehearsal::of(&definition, input.as_ref()) {
                Ok(rehearsal) => {
                    let simulated = Simulated::of(&file, &definition, &rehearsal, input.as_ref());
                    let simulated = tell(simulated, &rehearsal, budget, arguments.json)?;
                    told.all.push(simulated);
                }
                Err(unready) => told.unready.push((file, unready)),
            },
            Err(diagnostics) => told.wrong.extend(diagnostics),
        }
    }
    if arguments.json {
        output::data(&json::document(&told.all, &told.problems()))?;
    } else if !told.wrong.is_empty() {
        let wrong: Vec<_> = told.wrong.iter().map(ToString::to_string).collect();
        output::data(&wrong.join("\n"))?;
    }
    told.talk(arguments.json);
    Ok(told.status())
}

/// Plays one definition, and tells what is found as it is found.
fn tell(
    mut simulated: Simulated,
    rehearsal: &Rehearsal<'_>,
    budget: Option<Duration>,
    is_json: bool,
) -> Result<Simulated, Failure> {
    if !is_json {
        output::data(&rows::table(&simulated))?;
    }
    simulated.pairs = budget.map(|budget| run_pairs(rehearsal, budget));
    if !is_json {
        output::data(&words::summary(&simulated))?;
    }
    Ok(simulated)
}

impl Told {
    /// What kept files from being played.
    fn problems(&self) -> Vec<Value> {
        let unready = self.unready.iter().map(|(file, unready)| {
            let (file, message) = (file.display().to_string(), unready.to_string());
            json!({ "file": file, "severity": Severity::Error, "message": message })
        });
        let wrong = self.wrong.iter().map(|diagnostic| json!(diagnostic));
        wrong.chain(self.unreadable.iter().map(Unreadable::to_json)).chain(unready).collect()
    }

    /// Once all data is out: where both go to the same place, talk would stand within a table.
    fn talk(&self, is_json: bool) {
        let warnings = self.all.iter().filter(|_| !is_json).flat_map(words::warnings);
        warnings.for_each(|warning| output::warn(&warning));
        for unreadable in &self.unreadable {
            output::failure(&unreadable.failure(COMMAND));
        }
        for (_, unready) in &self.unready {
            output::failure(&Failure::cannot(unready.to_string()).hint(words::way_out(unready)));
        }
    }

    fn status(&self) -> Status {
        if !self.unreadable.is_empty() || !self.unready.is_empty() {
            return Status::Cannot;
        }
        match self.wrong.is_empty() && self.all.iter().all(Simulated::is_sound) {
            true => Status::Done,
            false => Status::No,
        }
    }
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
