//! What is wrong with a definition, said so that its author can mend it: file, line, column, what,
//! and the way out.

use std::fmt;

use serde::Serialize;

use super::tree::Place;

/// The longest source line that is shown: a definition on one line, as JSON often is, helps nobody.
const SOURCE_LINE_MAX: usize = 200;
/// The most that is told at once: who has more begins with these.
const DIAGNOSTICS_MAX: usize = 100;

/// One thing that is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// What is wrong.
    pub message: String,
    /// The way out, where there is an obvious one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The source line, unless it is too long to be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, message, .. } = self;
        write!(f, "{file}:{line}:{column}: error: {message}")?;
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
}

impl<'a> Findings<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, lines: text.lines().collect(), found: Vec::new() }
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
        let source = self.line(place.line).filter(|line| line.len() <= SOURCE_LINE_MAX);
        let source = source.map(|line| line.trim_end().to_owned());
        let Place { line, column } = place;
        let file = self.file.to_owned();
        self.found.push(Diagnostic { file, line, column, message, hint, source });
    }

    /// Where `text` stands at or after `place` on the same line.
    pub(super) fn find(&self, place: Place, text: &str) -> Option<Place> {
        let skipped = place.column.saturating_sub(1) as usize;
        let line = self.line(place.line)?;
        let start = line.char_indices().nth(skipped)?.0;
        let at = line[start..].find(text)?;
        let right = u32::try_from(line[start..start + at].chars().count()).ok()?;
        Some(place.right_by(right))
    }

    /// The findings in the order of the file; `Ok` where there are none.
    pub(super) fn into_result(mut self) -> Result<(), Vec<Diagnostic>> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        self.found.truncate(DIAGNOSTICS_MAX);
        Err(self.found)
    }

    fn line(&self, line: u32) -> Option<&'a str> {
        self.lines.get(line.checked_sub(1)? as usize).copied()
    }
}
