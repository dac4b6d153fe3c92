//! What must hold of the loader's answer to any input.

use saga_core::{Definition, definition::format_schema};

/// How an input was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is a definition.
    Sound,
    /// It is not, and so much is wrong.
    Refused { findings: usize },
}

thread_local! {
    static FORMAT: jsonschema::Validator =
        jsonschema::options().offline().build(&format_schema()).expect("it is a JSON Schema");
}

/// Loads it, and checks the answer: what is refused is pointed at within the text, and what is
/// taken can be stored and read again and is as the format says.
///
/// # Panics
/// When the answer is wrong.
pub(crate) fn judge(input: &str) -> Verdict {
    match Definition::parse("input.yaml", input) {
        Ok(definition) => {
            let canonical = definition.canonical.get();
            let stored = Definition::from_canonical(canonical)
                .unwrap_or_else(|found| panic!("what is stored is refused: {found:?}"));
            assert_eq!(stored.hash, definition.hash, "the version changed");
            assert_eq!(stored.canonical.get(), canonical);
            let value = serde_json::from_str(canonical).expect("what is stored is JSON");
            FORMAT.with(|format| {
                let wrong = format.iter_errors(&value).next();
                assert!(wrong.is_none(), "the format refuses it: {wrong:?}");
            });
            Verdict::Sound
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "it is refused without a reason");
            // A carriage return alone ends a line of YAML too.
            let lines = input.replace("\r\n", "\n").split(['\n', '\r']).count();
            for diagnostic in &diagnostics {
                let (line, column) = (diagnostic.line as usize, diagnostic.column);
                assert!((1..=lines).contains(&line), "line {line} of {lines}: {diagnostic}");
                assert!(column >= 1, "no column: {diagnostic}");
                assert!(!diagnostic.message.is_empty(), "nothing is said: {diagnostic:?}");
                let told = diagnostic.to_string();
                assert!(told.len() < 64 * 1024, "{} bytes are told", told.len());
            }
            Verdict::Refused { findings: diagnostics.len() }
        }
    }
}
