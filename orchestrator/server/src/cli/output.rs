//! The only place that prints, but for the terminal that `saga watch` draws on: data on stdout,
//! talk on stderr. Colour is dropped where nobody sees it (a pipe, `NO_COLOR`), and never carries a
//! meaning that the words do not.

use std::io::{self, ErrorKind, Write};

use anstyle::{AnsiColor, Style};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, value::RawValue};

use super::Failure;

/// What announces an error.
const ERROR: Style = AnsiColor::Red.on_default().bold();
/// What announces what nobody should overlook.
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
/// What announces the way out.
const HINT: Style = AnsiColor::Cyan.on_default().bold();

/// Data: lines of text, on stdout.
///
/// # Errors
/// When it cannot be written, unless it is that the reader has had enough.
pub(crate) fn data(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    match write_line(&mut stdout, text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::cannot(format!("cannot write the result: {error}")))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether somebody still reads the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// As far as can be told.
    There,
    /// It has had enough.
    Gone,
}

/// Whether somebody still reads what is written to stdout, told without writing.
pub(crate) fn reader() -> Reader {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    match poll(&mut asked, Some(&at_once)) {
        // A pipe without a reader is in error.
        Ok(_) if asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => Reader::Gone,
        Ok(_) | Err(_) => Reader::There,
    }
}

/// Data: a list as one JSON document, on stdout.
///
/// # Errors
/// As [`data`].
pub(crate) fn items(items: &[Box<RawValue>], next: impl Into<Value>) -> Result<(), Failure> {
    let items = items.iter().map(|item| item.get()).collect::<Vec<_>>().join(",");
    let next = next.into();
    data(&format!(r#"{{"items":[{items}],"next":{next}}}"#))
}

/// One page of a list: a JSON document where that is wanted, else as `render` shows it, or that
/// there are none; and how to go on where there is more.
///
/// # Errors
/// As [`data`], and those of `render`.
pub(crate) fn page(
    items_read: &[Box<RawValue>],
    next: Option<String>,
    json: bool,
    none: &str,
    render: impl FnOnce(&[Box<RawValue>]) -> Result<String, Failure>,
) -> Result<(), Failure> {
    match json {
        true => items(items_read, next.clone())?,
        false if items_read.is_empty() => say(none),
        false => data(&render(items_read)?)?,
    }
    if let Some(next) = next {
        say(&format!("there is more: go on with `--after {next}`"));
    }
    Ok(())
}

/// Talk: one line for whoever watches, on stderr.
pub(crate) fn say(text: &str) {
    talk(text);
}

/// Talk that nobody should overlook, on stderr.
pub(crate) fn warn(text: &str) {
    talk(&format!("{WARNING}warning{WARNING:#}: {text}"));
}

/// What went wrong and what to do, on stderr.
pub(crate) fn failure(failure: &Failure) {
    let mut text = format!("{ERROR}error{ERROR:#}: {}", failure.message);
    for line in failure.details.iter().flat_map(|detail| detail.lines()) {
        text.push_str("\n  ");
        text.push_str(line);
    }
    if let Some(hint) = &failure.hint {
        text.push_str(&format!("\n{HINT}hint{HINT:#}: {hint}"));
    }
    talk(&text);
}

fn talk(text: &str) {
    // Where stderr is gone there is nobody left to tell.
    let _ = write_line(&mut anstream::stderr().lock(), text);
}

fn write_line(stream: &mut impl Write, text: &str) -> io::Result<()> {
    let end = if text.ends_with('\n') { "" } else { "\n" };
    write!(stream, "{text}{end}")?;
    stream.flush()
}
