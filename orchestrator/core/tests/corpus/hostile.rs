//! What is made out of the files: a few thousand inputs here, a million by
//! `cargo run --release -p saga-core --example definitions`.

#[path = "../shared/hostile/mod.rs"]
mod made;

use made::{Inputs, Verdict, judge};

use crate::files;

/// As many as a few seconds allow.
const INPUTS: u64 = 20_000;

#[test]
fn nothing_breaks_the_loader() {
    let texts = |files: Vec<files::File>| files.into_iter().map(|file| file.text).collect();
    let inputs = Inputs::new(texts(files::good()), texts(files::bad()));
    let mut sound = 0;
    for number in 0..INPUTS {
        let input = inputs.input(number);
        let verdict = std::panic::catch_unwind(|| judge(&input));
        let verdict = verdict.unwrap_or_else(|_| panic!("input {number}:\n{input}"));
        sound += u64::from(verdict == Verdict::Sound);
    }
    // Inputs none of which is taken, or all, would not meet what comes after the reading.
    assert!((INPUTS / 50..INPUTS / 2).contains(&sound), "{sound} of {INPUTS} are sound");
}
