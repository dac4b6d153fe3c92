//! `saga schema`: the format of definitions as a JSON Schema, for editors.

use saga_core::definition::format_schema;

use super::{Status, output};

/// Prints it.
pub(crate) fn run() -> Result<Status, super::Failure> {
    output::data(&format!("{:#}", format_schema()))?;
    Ok(Status::Done)
}
