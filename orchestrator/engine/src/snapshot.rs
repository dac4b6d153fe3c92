//! A saga as it was at one moment: its row, and what the core understands of it.

use std::sync::Arc;

use saga_core::{Definition, Saga, saga::Stored};
use saga_store::{Row, Update, Wake};

use crate::definitions::Definitions;

/// A saga at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The row as stored.
    pub row: Row,
    /// What it means; an error where its definition or state is not understood here.
    pub understood: Result<Understood, String>,
}

/// What a row means.
#[derive(Clone, Debug)]
pub struct Understood {
    /// The version the saga follows.
    pub definition: Arc<Definition>,
    /// The saga.
    pub saga: Saga,
}

impl Snapshot {
    /// What a row means, by the definitions known here.
    pub(crate) fn of(row: Row, definitions: &Definitions) -> Self {
        let understood = understand(&row, definitions);
        Self { row, understood }
    }

    /// Whether the saga has ended, by its row.
    pub fn is_ended(&self) -> bool {
        self.row.finished_at.is_some()
    }
}

/// The saga that a row holds.
pub(crate) fn understand(row: &Row, definitions: &Definitions) -> Result<Understood, String> {
    let definition = definitions
        .version(&row.definition_hash)
        .ok_or_else(|| format!("definition version `{}` is not known", row.definition_hash))?;
    let stored = Stored {
        id: row.id,
        definition: definition.name.clone(),
        hash: row.definition_hash.clone(),
        key: row.key.clone(),
        created_at: row.created_at,
        input: row.input.clone(),
        version: row.version,
        paused_at: row.paused_at,
        set_aside: row.trouble.is_some(),
        state: &row.state,
    };
    let saga = Saga::load(&definition, stored).map_err(|error| error.to_string())?;
    Ok(Understood { definition, saga })
}

/// The row as it is once `update` is committed at `now`.
pub(crate) fn updated(row: &Row, update: &Update, now: saga_protocol::Timestamp) -> Row {
    Row {
        status: update.status.to_owned(),
        paused_at: update.paused_at,
        version: update.version(),
        state: update.state.clone(),
        wake_at: match update.wake {
            Wake::Keep => row.wake_at,
            Wake::At(at) => Some(at),
            Wake::Never => None,
        },
        updated_at: now,
        finished_at: update.finished_at,
        trouble: None,
        ..row.clone()
    }
}
