//! A saga out of what a store keeps of it, for every test that holds sagas.

use saga_core::{Definition, Saga, saga::Stored};

/// The same saga out of what a store keeps; it must come out as it went in.
pub(crate) fn reload(definition: &Definition, saga: &Saga) -> Result<Saga, String> {
    let state = saga.state_json(definition);
    let stored = Stored {
        id: saga.id,
        definition: saga.definition.clone(),
        hash: saga.hash.clone(),
        key: saga.key.clone(),
        created_at: saga.created_at,
        input: saga.input.clone(),
        version: saga.version,
        paused_at: saga.paused_at,
        set_aside: saga.set_aside,
        state: &state,
    };
    let loaded = Saga::load(definition, stored).map_err(|error| error.to_string())?;
    let again = loaded.state_json(definition);
    if again.get() != state.get() {
        return Err(format!("the state\n{state}\nis loaded as\n{again}"));
    }
    Ok(loaded)
}
