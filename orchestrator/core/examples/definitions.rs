//! Feeds the loader of definitions whatever can be made out of the files of the corpus: nothing may
//! make it panic, take long or take much memory. Each input has a number; the number is enough to
//! have it again.
//!
//! ```sh
//! cargo run --release -p saga-core --example definitions -- --inputs 1000000
//! cargo run --release -p saga-core --example definitions -- --only 42
//! cargo run --release -p saga-core --example definitions -- --file saga.yaml
//! ```

#![expect(clippy::print_stderr, clippy::exit, reason = "a command for those who work on this")]

#[path = "../tests/shared/hostile/mod.rs"]
mod hostile;

use std::{
    env, fs, io,
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::{self, ExitCode},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hostile::{Inputs, Verdict, judge};

/// Longer than any input may take, on a machine that is busy otherwise too.
const TIME_MAX: Duration = Duration::from_secs(2);
/// More than the loader may ever need, with what makes the inputs.
const MEMORY_KIB_MAX: u64 = 512 * 1024;
/// What the threads of an orchestrator have.
const STACK_BYTES: usize = 2 * 1024 * 1024;
/// Inputs between two lines of progress.
const PROGRESS: u64 = 50_000;

/// What the command line asks for.
struct Asked {
    inputs: u64,
    seed: u64,
    only: Option<u64>,
    file: Option<String>,
}

/// What the worker is at.
#[derive(Default)]
struct Work {
    /// The input, unless there is none at the moment.
    input: Mutex<Option<(u64, String, Instant)>>,
    /// How many are done.
    done: AtomicU64,
}

/// What became of all of them.
#[derive(Default)]
struct Summary {
    sound: u64,
    refused: u64,
    findings: u64,
    bytes: u64,
    slowest: (Duration, u64),
}

fn main() -> ExitCode {
    let asked = match Asked::read(env::args().skip(1)) {
        Ok(asked) => asked,
        Err(wrong) => {
            eprintln!(
                "{wrong}\nusage: definitions [--inputs N] [--seed N] [--only NUMBER] [--file PATH]"
            );
            return ExitCode::from(2);
        }
    };
    let work = Arc::new(Work::default());
    thread::spawn({
        let work = Arc::clone(&work);
        move || watch(&work)
    });
    let worker = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || run(&asked, &work));
    let ended = worker.map(thread::JoinHandle::join);
    match ended {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        Ok(Ok(Err(wrong))) => {
            eprintln!("{wrong}");
            ExitCode::FAILURE
        }
        Ok(Err(_)) | Err(_) => ExitCode::FAILURE,
    }
}

fn run(asked: &Asked, work: &Work) -> Result<(), String> {
    let texts = |folder| corpus(folder).map_err(|error| format!("no corpus: {error}"));
    let inputs = Inputs::new(texts("good")?, texts("bad")?);
    if let Some(number) = asked.only {
        let input = inputs.input(number);
        eprintln!("{input}\n---");
        return one(&input);
    }
    if let Some(file) = &asked.file {
        return one(&fs::read_to_string(file).map_err(|error| format!("`{file}`: {error}"))?);
    }
    let (began, mut summary) = (Instant::now(), Summary::default());
    for number in asked.seed..asked.seed.saturating_add(asked.inputs) {
        let input = inputs.input(number);
        summary.bytes += input.len() as u64;
        let one = Instant::now();
        work.begin(number, &input, one);
        let verdict = panic::catch_unwind(AssertUnwindSafe(|| judge(&input)))
            .map_err(|_| format!("input {number} made a panic: {}", keep(number, &input)))?;
        summary.add(number, one.elapsed(), verdict);
        let done = work.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done.is_multiple_of(PROGRESS) {
            eprintln!("{done} inputs, {:.0?}", began.elapsed());
        }
    }
    work.end();
    let memory = memory_kib_peak();
    eprintln!("{summary}");
    eprintln!("{:.0?}, memory at most {} MiB", began.elapsed(), memory / 1024);
    if memory > MEMORY_KIB_MAX {
        return Err(format!("that is more than {} MiB", MEMORY_KIB_MAX / 1024));
    }
    Ok(())
}

fn one(input: &str) -> Result<(), String> {
    let began = Instant::now();
    let verdict = judge(input);
    eprintln!("{verdict:?} after {:.1?}, {} MiB", began.elapsed(), memory_kib_peak() / 1024);
    Ok(())
}

/// Ends the process when one input takes too long; whoever hangs cannot be asked to stop.
fn watch(work: &Work) {
    loop {
        thread::sleep(TIME_MAX / 10);
        let Ok(input) = work.input.lock() else { return };
        if let Some((number, input, since)) = &*input
            && since.elapsed() > TIME_MAX
        {
            eprintln!("input {number} takes longer than {TIME_MAX:?}: {}", keep(*number, input));
            process::exit(1);
        }
    }
}

/// Keeps an input in a file, and says how to meet it again.
fn keep(number: u64, input: &str) -> String {
    let path = env::temp_dir().join(format!("definition-{number}.yaml"));
    let kept = match fs::write(&path, input) {
        Ok(()) => path.display().to_string(),
        Err(error) => format!("it cannot be kept: {error}"),
    };
    format!("{kept}; `--only {number}` has it again")
}

/// The files of the corpus, good or bad, in the order of their names.
fn corpus(folder: &str) -> io::Result<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(folder);
    let paths = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    paths.into_iter().map(fs::read_to_string).collect()
}

/// The most memory that this process has had.
fn memory_kib_peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

impl Asked {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked = Self { inputs: 1_000_000, seed: 0, only: None, file: None };
        while let Some(name) = arguments.next() {
            if name == "--file" {
                asked.file = arguments.next();
                continue;
            }
            let number = arguments.next().and_then(|number| number.parse().ok());
            let number = number.ok_or_else(|| format!("`{name}` takes a number"))?;
            match name.as_str() {
                "--inputs" => asked.inputs = number,
                "--seed" => asked.seed = number,
                "--only" => asked.only = Some(number),
                _ => return Err(format!("there is no `{name}`")),
            }
        }
        Ok(asked)
    }
}

impl Work {
    fn begin(&self, number: u64, input: &str, now: Instant) {
        if let Ok(mut at) = self.input.lock() {
            *at = Some((number, input.to_owned(), now));
        }
    }

    fn end(&self) {
        if let Ok(mut at) = self.input.lock() {
            *at = None;
        }
    }
}

impl Summary {
    fn add(&mut self, number: u64, took: Duration, verdict: Verdict) {
        match verdict {
            Verdict::Sound => self.sound += 1,
            Verdict::Refused { findings } => {
                self.refused += 1;
                self.findings += findings as u64;
            }
        }
        self.slowest = self.slowest.max((took, number));
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { sound, refused, findings, bytes, slowest: (slowest, number) } = self;
        let inputs = sound + refused;
        write!(f, "{inputs} inputs of {} bytes on average: ", bytes / inputs.max(1))?;
        write!(f, "{sound} sound, {refused} refused with {findings} findings; ")?;
        write!(f, "the slowest, {number}, took {slowest:.1?}")
    }
}
