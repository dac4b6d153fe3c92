//! Tables: columns that line up, without lines between them, so that they can be read by eye and
//! cut by tools. Wrapped to the width of a terminal; where there is none, one row is one line.

use anstyle::AnsiColor;
use comfy_table::{Color, ContentArrangement, Table, presets};

use super::view::colour;

/// What ends a text that was cut.
pub(super) const CUT: &str = "…";

/// One cell.
pub(super) struct Cell {
    text: String,
    colour: Option<AnsiColor>,
}

impl<T: ToString> From<T> for Cell {
    fn from(content: T) -> Self {
        Self { text: content.to_string(), colour: None }
    }
}

impl Cell {
    /// A status in its colour.
    pub(super) fn status(status: &str) -> Self {
        Self { text: status.to_owned(), colour: colour(status) }
    }

    /// With more words in the same colour.
    pub(super) fn and(self, words: &str) -> Self {
        Self { text: self.text + words, ..self }
    }

    /// Cut to this width.
    pub(super) fn cut(self, columns: usize) -> Self {
        Self { text: console::truncate_str(&self.text, columns, CUT).into_owned(), ..self }
    }

    fn into_cell(self) -> comfy_table::Cell {
        let cell = comfy_table::Cell::new_owned(self.text);
        match self.colour.and_then(color) {
            Some(color) => cell.fg(color),
            None => cell,
        }
    }
}

/// The rows below their header, in lines of text.
pub(super) fn table<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = Vec<Cell>>,
) -> String {
    let mut table = Table::new();
    // A terminal that was not told its width, as in a container, says 0.
    if table.width().is_some_and(|width| width > 0) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    lines(table, header, rows)
}

/// The same, however long the lines are: for what cuts them itself.
pub(super) fn unwrapped<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = Vec<Cell>>,
) -> String {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Disabled);
    lines(table, header, rows)
}

fn lines<const COLUMNS: usize>(
    mut table: Table,
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = Vec<Cell>>,
) -> String {
    table.load_style(presets::NOTHING);
    // Whether colour is seen is for the output to decide, here as for everything else.
    table.enforce_styling().style_text_only();
    table.set_header(header);
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(Cell::into_cell)));
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines = table.lines().map(|line| line.trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// The same colour in the words of the crate for tables.
fn color(colour: AnsiColor) -> Option<Color> {
    match colour {
        AnsiColor::Green => Some(Color::DarkGreen),
        AnsiColor::Cyan => Some(Color::DarkCyan),
        AnsiColor::Yellow => Some(Color::DarkYellow),
        AnsiColor::Magenta => Some(Color::DarkMagenta),
        AnsiColor::Red => Some(Color::DarkRed),
        _ => None,
    }
}
