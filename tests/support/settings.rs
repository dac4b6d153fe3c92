//! What the tests of the whole read from the environment: how large a run under chaos is to be.

use std::env;

use anyhow::{Context, Result};

/// How large a run under chaos is. The defaults take half a minute, as one of all tests.
#[derive(Clone, Copy, Debug)]
pub struct ChaosSettings {
    /// `SAGA_CHAOS_ORDERS`: orders placed, a fifth of which is refused.
    pub orders: usize,
    /// `SAGA_CHAOS_KILLS`: kills of participants meanwhile.
    pub kills: usize,
    /// `SAGA_CHAOS_SEED`: decides who is killed when; printed by every run, drawn unless given.
    pub seed: u64,
}

/// Orders unless told otherwise: enough for kills to meet work at every point of a saga.
const ORDERS: usize = 2_000;
/// Kills unless told otherwise: each participant eight times.
const KILLS: usize = 24;

impl ChaosSettings {
    /// What the environment says.
    ///
    /// # Errors
    /// When a value is not a number.
    pub fn from_env() -> Result<Self> {
        Ok(Self {
            orders: number("SAGA_CHAOS_ORDERS")?.unwrap_or(ORDERS),
            kills: number("SAGA_CHAOS_KILLS")?.unwrap_or(KILLS),
            seed: number("SAGA_CHAOS_SEED")?.unwrap_or_else(rand::random),
        })
    }
}

fn number<N>(name: &str) -> Result<Option<N>>
where
    N: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let value = env::var(name).ok().filter(|value| !value.is_empty());
    let parsed = value.map(|value| value.parse()).transpose();
    parsed.with_context(|| format!("`{name}` takes a number"))
}
