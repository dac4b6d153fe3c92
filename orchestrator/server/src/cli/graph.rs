//! `saga graph`: a definition as a picture, without an orchestrator.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use saga_core::{Definition, picture::Picture};

use super::{Failure, Status, output, paths};

const COMMAND: &str = "graph";

/// What `saga graph` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The definition's file; `-` is the standard input
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// What the picture is written in: unless told otherwise what the name of `--output` ends with
    /// (`.mmd`, `.mermaid`, `.dot`, `.gv` or `.svg`), else Mermaid
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Writes it to this file instead of the standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a picture is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A flowchart that GitHub and others draw within Markdown
    Mermaid,
    /// The language of Graphviz
    Dot,
    /// An image
    Svg,
}

/// Draws it.
pub(crate) fn run(arguments: &Arguments) -> Result<Status, Failure> {
    let format = Format::chosen(arguments.format, arguments.output.as_deref())?;
    let picture = Picture::of(&read(&arguments.path)?);
    let drawn = match format {
        Format::Mermaid => picture.to_mermaid(),
        Format::Dot => picture.to_dot(),
        Format::Svg => picture.to_svg(),
    };
    match &arguments.output {
        None => output::data(&drawn)?,
        Some(path) => fs::write(path, drawn).map_err(|error| {
            Failure::cannot(format!("cannot write `{}`: {error}", path.display()))
        })?,
    }
    Ok(Status::Done)
}

impl Format {
    /// What is asked for, and what the file's name says; the two must agree.
    fn chosen(asked: Option<Self>, file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file else {
            return Ok(asked.unwrap_or(Self::Mermaid));
        };
        let shown = file.display();
        match (asked, Self::by_ending(file)) {
            (Some(asked), Some(ending)) if asked != ending => {
                let (asked, ending) = (asked.name(), ending.name());
                let message = format!("`{shown}` ends as {ending} does, and `--format` is {asked}");
                Err(Failure::cannot(message).hint("leave out `--format`, or name another file"))
            }
            (Some(format), _) | (None, Some(format)) => Ok(format),
            (None, None) => {
                let message = format!("nothing says what `{shown}` is to be written in");
                let hint = "name it with `--format`, or end the file's name with `.mmd`, `.dot` or \
                            `.svg`";
                Err(Failure::cannot(message).hint(hint))
            }
        }
    }

    fn by_ending(file: &Path) -> Option<Self> {
        match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "mmd" | "mermaid" => Some(Self::Mermaid),
            "dot" | "gv" => Some(Self::Dot),
            "svg" => Some(Self::Svg),
            _ => None,
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// The one definition that is meant.
fn read(path: &Path) -> Result<Definition, Failure> {
    let hint = "`saga graph` draws one definition: name its file";
    let found = paths::read(&[path.to_owned()]);
    let count = found.files.len() + found.unreadable.len();
    if count > 1 {
        let message = format!("there are {count} definitions in `{}`", path.display());
        return Err(Failure::cannot(message).hint(hint));
    }
    let only = found.whole(COMMAND)?.pop();
    only.map(|(_, definition)| definition)
        .ok_or_else(|| Failure::cannot("there is no definition").hint(hint))
}
