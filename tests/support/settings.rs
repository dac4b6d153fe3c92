//! What the tests of the whole read from the environment: how large a run under chaos is to be.

use std::{env, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};

/// How large a run under chaos is. Unless told otherwise it takes less than a minute, as one of all
/// tests; with `SAGA_CHAOS=long` it is the one that is told of in the documents. Each number can be
/// said by itself besides.
#[derive(Clone, Debug)]
pub struct ChaosSettings {
    /// `SAGA_CHAOS_ORDERS`: orders placed, a fifth of which is refused.
    pub orders: usize,
    /// `SAGA_CHAOS_IN_FLIGHT`: orders under way at once.
    pub in_flight: usize,
    /// `SAGA_CHAOS_KILLS`: SIGKILLs of orchestrators and participants.
    pub kills: usize,
    /// `SAGA_CHAOS_BROKER_KILLS`: SIGKILLs of RabbitMQ.
    pub broker_kills: usize,
    /// `SAGA_CHAOS_DATABASE_KILLS`: SIGKILLs of Postgres.
    pub database_kills: usize,
    /// `SAGA_CHAOS_STOPS`: whoever stands still for seconds, processes mostly, and servers that are
    /// restarted in order.
    pub stops: usize,
    /// `SAGA_CHAOS_CUTS`: ways of one process to one server that are cut, slow, or lead nowhere.
    pub cuts: usize,
    /// `SAGA_CHAOS_RESTARTS`: SIGKILLs of an orchestrator that is the only one, each under load.
    pub restarts: usize,
    /// `SAGA_CHAOS_ASLEEP`: seconds that the only orchestrator stands still with replies waiting.
    pub asleep: Duration,
    /// `SAGA_CHAOS_SEED`: decides what happens to whom when; printed by every run, drawn unless
    /// given.
    pub seed: u64,
    /// `SAGA_CHAOS_REPORT`: the file that the reports are added to, besides being printed.
    pub report: Option<PathBuf>,
}

impl ChaosSettings {
    /// What the environment says.
    ///
    /// # Errors
    /// When a value is not a number, or there is no such form.
    pub fn from_env() -> Result<Self> {
        let form = match value("SAGA_CHAOS").as_deref() {
            None | Some("short") => Self::short(),
            Some("long") => Self::long(),
            Some(other) => bail!("`SAGA_CHAOS` is `short` or `long`, not `{other}`"),
        };
        Ok(Self {
            orders: number("SAGA_CHAOS_ORDERS")?.unwrap_or(form.orders),
            in_flight: number("SAGA_CHAOS_IN_FLIGHT")?.unwrap_or(form.in_flight),
            kills: number("SAGA_CHAOS_KILLS")?.unwrap_or(form.kills),
            broker_kills: number("SAGA_CHAOS_BROKER_KILLS")?.unwrap_or(form.broker_kills),
            database_kills: number("SAGA_CHAOS_DATABASE_KILLS")?.unwrap_or(form.database_kills),
            stops: number("SAGA_CHAOS_STOPS")?.unwrap_or(form.stops),
            cuts: number("SAGA_CHAOS_CUTS")?.unwrap_or(form.cuts),
            restarts: number("SAGA_CHAOS_RESTARTS")?.unwrap_or(form.restarts),
            asleep: number("SAGA_CHAOS_ASLEEP")?.map_or(form.asleep, Duration::from_secs),
            seed: number("SAGA_CHAOS_SEED")?.unwrap_or(form.seed),
            report: value("SAGA_CHAOS_REPORT").map(PathBuf::from),
        })
    }

    /// How many faults that is.
    #[must_use]
    pub fn faults(&self) -> usize {
        self.kills + self.broker_kills + self.database_kills + self.stops + self.cuts
    }

    /// Enough for every kind of fault to meet work, and little enough to be one test among others.
    fn short() -> Self {
        Self {
            orders: 1_500,
            in_flight: 48,
            kills: 16,
            broker_kills: 1,
            database_kills: 1,
            stops: 3,
            cuts: 3,
            restarts: 1,
            // Longer than an attempt of the definition `sleepy` lasts, and than five seconds, after
            // which an orchestrator sees that it was stopped; too short for the broker to miss it.
            asleep: Duration::from_secs(8),
            seed: rand::random(),
            report: None,
        }
    }

    /// What is shown once.
    fn long() -> Self {
        Self {
            orders: 20_000,
            in_flight: 64,
            kills: 200,
            broker_kills: 10,
            database_kills: 10,
            stops: 40,
            cuts: 40,
            restarts: 20,
            asleep: Duration::from_secs(60),
            ..Self::short()
        }
    }
}

fn number<N>(name: &str) -> Result<Option<N>>
where
    N: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    let parsed = value(name).map(|value| value.parse()).transpose();
    parsed.with_context(|| format!("`{name}` takes a number"))
}

fn value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
