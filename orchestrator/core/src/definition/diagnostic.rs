//! What is wrong with a definition, said so that its author can mend it: file, line, column, what,
//! and the way out.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;

use super::tree::Place;

/// The longest source line that is shown: a definition on one line, as JSON often is, helps nobody.
const SOURCE_LINE_MAX: usize = 200;
/// The most that is told at once: who has more begins with these.
const DIAGNOSTICS_MAX: usize = 100;

/// The longest line in which a place is looked for, in bytes: a definition on one line would be
/// looked through once for each of its expressions.
const SEARCHED_LINE_MAX: usize = 2_048;
/// What the expressions of a file may take together, in bytes: to compile and to prove them takes
/// about a tenth of a second then.
const EXPRESSIONS_BYTES_MAX: usize = 128 * 1024;
/// What an expression counts at least, in bytes: the shortest takes time too.
const EXPRESSION_BYTES_MIN: usize = 64;
/// What the patterns of a file may have together, in parts: a part takes some 150 bytes and a
/// microsecond to compile. `^\w{1,64}$` has 50 000.
const PATTERN_PARTS_MAX: usize = 250_000;
/// The longest message and hint, in characters: what they quote may be the whole file.
const TEXT_MAX: usize = 600;

/// How much something matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The definition is refused.
    Error,
    /// It runs, and is not proven; or it will do what few people want.
    Warning,
}

/// One thing that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The way out, where there is an obvious one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The source line, unless it is too long to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, severity, message, .. } = self;
        write!(f, "{file}:{line}:{column}: {severity}: {message}")?;
        if let Some(source) = &self.source {
            let number = line.to_string();
            let margin = " ".repeat(number.len());
            // Tabs stay tabs, so that the caret stands below what it points at.
            let before = source.chars().take(column.saturating_sub(1) as usize);
            let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
            write!(f, "\n{margin} |\n{number} | {source}\n{margin} | {indent}^")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// All that is found wrong with one file.
pub(super) struct Findings<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    found: Vec<Diagnostic>,
    /// What expressions may still take, in bytes.
    expression_bytes_left: usize,
    /// What patterns may still have, in parts.
    pattern_parts_left: usize,
}

impl<'a> Findings<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            lines: lines(text),
            found: Vec::new(),
            expression_bytes_left: EXPRESSIONS_BYTES_MAX,
            pattern_parts_left: PATTERN_PARTS_MAX,
        }
    }

    /// Those of what was stored: it was taken once, so there is no limit to meet.
    pub(super) fn of_stored(text: &'a str) -> Self {
        Self {
            expression_bytes_left: usize::MAX,
            pattern_parts_left: usize::MAX,
            ..Self::new("stored definition", text)
        }
    }

    /// Whether an expression can still be taken; where that ends, it is reported once.
    pub(super) fn allow_expression(&mut self, place: Place, source: &str) -> bool {
        let bytes = source.len().max(EXPRESSION_BYTES_MIN);
        if self.expression_bytes_left == 0 {
            return false;
        }
        self.expression_bytes_left = self.expression_bytes_left.saturating_sub(bytes);
        if self.expression_bytes_left == 0 {
            let message = format!(
                "the expressions of this file are too many: together they have at most \
                 {EXPRESSIONS_BYTES_MAX} bytes, and each counts at least {EXPRESSION_BYTES_MIN}"
            );
            self.add_with_hint(place, message, "pass maps and lists on as they are");
            return false;
        }
        true
    }

    /// Whether a schema with so many parts of patterns can still be taken; reported where not.
    pub(super) fn allow_patterns(&mut self, place: Place, parts: usize) -> bool {
        if parts > self.pattern_parts_left {
            let message = "the patterns of this file are too large once they are compiled";
            let hint = "let `maxLength` say how long a text is, and the pattern of what it is";
            self.add_with_hint(place, message, hint);
            return false;
        }
        self.pattern_parts_left -= parts;
        true
    }

    pub(super) fn add(&mut self, place: Place, message: impl Into<String>) {
        self.push(place, message.into(), None);
    }

    pub(super) fn add_with_hint(
        &mut self,
        place: Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(place, message.into(), Some(hint.into()));
    }

    pub(super) fn push(&mut self, place: Place, message: String, hint: Option<String>) {
        self.note(Severity::Error, place, message, hint);
    }

    /// Something that does not stand against running it.
    pub(super) fn warn(
        &mut self,
        place: Place,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.note(Severity::Warning, place, message.into(), Some(hint.into()));
    }

    pub(super) fn note(
        &mut self,
        severity: Severity,
        place: Place,
        message: String,
        hint: Option<String>,
    ) {
        let source = self.line(place.line).filter(|line| line.len() <= SOURCE_LINE_MAX);
        let source = source.map(|line| line.trim_end().to_owned());
        let (message, hint) = (shorten(message), hint.map(shorten));
        let Place { line, column } = place;
        let file = self.file.to_owned();
        self.found.push(Diagnostic { file, line, column, severity, message, hint, source });
    }

    /// Where `text` stands at or after `place` on the same line.
    pub(super) fn find(&self, place: Place, text: &str) -> Option<Place> {
        let skipped = place.column.saturating_sub(1) as usize;
        let line = self.line(place.line).filter(|line| line.len() <= SEARCHED_LINE_MAX)?;
        let start = line.char_indices().nth(skipped)?.0;
        let at = line[start..].find(text)?;
        let right = u32::try_from(line[start..start + at].chars().count()).ok()?;
        Some(place.right_by(right))
    }

    /// The findings in the order of the file, each warning once; `Ok` where they are no more than
    /// warnings. Where there are too many, errors are told first.
    pub(super) fn into_result(mut self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let is_sound = self.found.iter().all(|found| found.severity == Severity::Warning);
        self.found.sort_by_key(|found| (found.severity, found.line, found.column));
        let mut warned = BTreeSet::new();
        self.found.retain(|found| {
            found.severity == Severity::Error || warned.insert(found.message.clone())
        });
        self.found.truncate(DIAGNOSTICS_MAX);
        self.found.sort_by_key(|found| (found.line, found.column));
        if is_sound { Ok(self.found) } else { Err(self.found) }
    }

    fn line(&self, line: u32) -> Option<&'a str> {
        self.lines.get(line.checked_sub(1)? as usize).copied()
    }
}

/// The lines as YAML counts them: a carriage return alone ends one too.
fn lines(mut text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    while let Some(end) = text.find(['\n', '\r']) {
        lines.push(&text[..end]);
        let ending = if text[end..].starts_with("\r\n") { 2 } else { 1 };
        text = &text[end + ending..];
    }
    if !text.is_empty() {
        lines.push(text);
    }
    lines
}

/// Takes the middle out of what is too long: what is quoted stands there, and what is said of it
/// around it.
fn shorten(text: String) -> String {
    let length = text.chars().count();
    if length <= TEXT_MAX {
        return text;
    }
    let half = TEXT_MAX / 2;
    let head: String = text.chars().take(half).collect();
    let tail: String = text.chars().skip(length - half).collect();
    format!("{head} … {tail}")
}
