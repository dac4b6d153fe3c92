//! A terminal that is drawn on in place. With [`output`](crate::cli::output), what prints.

use std::io::{self, ErrorKind};

use anstream::{AutoStream, ColorChoice};
use console::{Term, strip_ansi_codes};

use super::frame::{Size, cut};
use crate::cli::{Failure, output::Reader};

/// The terminal behind the standard output.
pub(super) struct Screen {
    term: Term,
    is_coloured: bool,
    drawn: Option<Drawn>,
}

/// What stands above the cursor.
struct Drawn {
    lines: Vec<String>,
    size: Size,
}

impl Screen {
    /// The standard output, where it is a terminal.
    pub(super) fn of_stdout() -> Option<Self> {
        let term = Term::buffered_stdout();
        let is_coloured = AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        term.is_term().then_some(Self { term, is_coloured, drawn: None })
    }

    /// The room there is now, without the row of the cursor.
    pub(super) fn size(&self) -> Size {
        let (rows, columns) = self.term.size();
        // A terminal that was not told its size, as in a container, says 0.
        let of = |given: u16, usual: usize| if given > 0 { usize::from(given) } else { usual };
        Size { rows: of(rows, 24).saturating_sub(1).max(1), columns: of(columns, 80) }
    }

    /// Shows as much of this as there is room for, in place of what was shown.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn draw(&mut self, text: &str, notice: Option<&str>) -> Result<Reader, Failure> {
        let size = self.size();
        let lines = cut(text, notice, size);
        match &self.drawn {
            Some(drawn) if drawn.size == size && drawn.lines == lines => Ok(Reader::There),
            _ => self.replace(lines, size),
        }
    }

    /// Shows all of this in place of what was shown, and leaves it there.
    ///
    /// # Errors
    /// As [`Screen::draw`].
    pub(super) fn leave(mut self, text: &str) -> Result<Reader, Failure> {
        let lines = text.lines().map(str::to_owned).collect();
        let size = self.size();
        self.replace(lines, size)
    }

    fn replace(&mut self, lines: Vec<String>, size: Size) -> Result<Reader, Failure> {
        let written = self.write(&lines, size);
        self.drawn = Some(Drawn { lines, size });
        match written {
            Ok(()) => Ok(Reader::There),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
            Err(error) => Err(Failure::cannot(format!("cannot draw on the terminal: {error}"))),
        }
    }

    fn write(&self, lines: &[String], size: Size) -> io::Result<()> {
        match &self.drawn {
            Some(drawn) if drawn.size == size => self.term.clear_last_lines(drawn.lines.len())?,
            // Another width has wrapped the lines anew: nobody knows how many there are.
            Some(_) => self.term.clear_screen()?,
            None => {}
        }
        for line in lines {
            match self.is_coloured {
                true => self.term.write_line(line)?,
                false => self.term.write_line(&strip_ansi_codes(line))?,
            }
        }
        self.term.flush()
    }
}
