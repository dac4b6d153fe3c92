//! `saga graph`: a definition as a picture, without an orchestrator.

use std::{
    fs,
    path::{Path, PathBuf},
};

use saga_core::{Definition, picture::Picture};
use saga_engine::definitions;

use super::{Failure, Status, output};

/// What `saga graph` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The definition's file
    #[arg(value_name = "PATH")]
    path: PathBuf,
    /// What the picture is written in
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    format: Format,
    /// Writes it to this file instead of the standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// What a picture is written in.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
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
    let picture = Picture::of(&read(&arguments.path)?);
    let drawn = match arguments.format {
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

/// The one definition that is meant.
fn read(path: &Path) -> Result<Definition, Failure> {
    let unusable = |message: String| {
        Failure::cannot(message).hint("`saga graph` draws one definition: name its file")
    };
    let files = definitions::files(path).map_err(|error| unusable(error.to_string()))?;
    let [file] = files.as_slice() else {
        let count = files.len();
        return Err(unusable(format!("there are {count} definitions in `{}`", path.display())));
    };
    let definition = definitions::read(file).map_err(|error| unusable(error.to_string()))?;
    definition.map_err(|wrong| Failure::wrong(&wrong))
}
