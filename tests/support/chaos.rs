//! Chaos: who is killed when, drawn from a seed.

use std::{collections::BTreeMap, io::Write, time::Duration};

use anyhow::Result;
use lab::{Member, System, wait};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{ChaosSettings, Load};

/// Kills of the orchestrator: one for so many of participants, and at least one.
const KILLS_PER_ORCHESTRATOR: usize = 10;
/// How long the dead stay dead, at most. Longer than a restart takes, shorter than an attempt.
const DEAD_MAX: Duration = Duration::from_millis(800);
/// From one kill to the next order's end, whatever must be redelivered meanwhile.
const PROGRESS_MAX: Duration = Duration::from_secs(120);
/// The last kill comes when this part of the orders has ended, so that it still meets work.
const KILLS_UNTIL_PERCENT: usize = 90;

/// A process that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Victim {
    /// `saga serve`.
    Orchestrator,
    /// `payment`.
    Payment,
    /// `inventory`.
    Inventory,
    /// `shipping`.
    Shipping,
}

/// A plan of kills.
pub struct Chaos {
    random: StdRng,
    /// When so many orders have ended, this one is killed.
    kills: Vec<(usize, Victim)>,
}

impl Chaos {
    /// Draws a plan: every participant in turn, in random order, and the orchestrator now and then.
    #[must_use]
    pub fn plan(settings: ChaosSettings) -> Self {
        let mut random = StdRng::seed_from_u64(settings.seed);
        let participants = [Victim::Payment, Victim::Inventory, Victim::Shipping];
        let mut victims: Vec<_> = participants.into_iter().cycle().take(settings.kills).collect();
        let more = (settings.kills / KILLS_PER_ORCHESTRATOR).max(1);
        victims.extend([Victim::Orchestrator].repeat(more));
        victims.shuffle(&mut random);
        let until = settings.orders * KILLS_UNTIL_PERCENT / 100;
        let mut moments: Vec<_> =
            victims.iter().map(|_| random.random_range(0..until.max(1))).collect();
        moments.sort_unstable();
        Self { random, kills: moments.into_iter().zip(victims).collect() }
    }

    /// Carries it out while the load runs, and answers how often each was killed.
    ///
    /// # Errors
    /// When somebody cannot be started again, or the load does not get on.
    pub async fn run(
        mut self,
        system: &mut System,
        load: &Load,
    ) -> Result<BTreeMap<Victim, usize>> {
        let mut count = BTreeMap::new();
        let all = self.kills.len();
        for (number, (moment, victim)) in std::mem::take(&mut self.kills).into_iter().enumerate() {
            let what = format!("order {moment} to end, to kill {victim:?} then");
            wait::until(&what, PROGRESS_MAX, async || (load.ended() >= moment).then_some(()))
                .await?;
            // Somewhere within the work of the moment, not just when an order has ended.
            tokio::time::sleep(self.random.random_range(Duration::ZERO..DEAD_MAX / 4)).await;
            let member = member(system, victim);
            member.kill9();
            tokio::time::sleep(self.random.random_range(Duration::ZERO..DEAD_MAX)).await;
            member.restart()?;
            *count.entry(victim).or_default() += 1;
            let (kill, ended, orders) = (number + 1, load.ended(), load.orders);
            say(&format!(
                "kill {kill} of {all}: {victim:?}; {ended} of {orders} orders have ended"
            ));
        }
        Ok(count)
    }
}

fn member(system: &mut System, victim: Victim) -> &mut Member {
    match victim {
        Victim::Orchestrator => &mut system.orchestrator,
        Victim::Payment => &mut system.payment,
        Victim::Inventory => &mut system.inventory,
        Victim::Shipping => &mut system.shipping,
    }
}

/// Tells whoever watches how a long run goes; straight to stderr, so that it is seen meanwhile.
pub fn say(text: &str) {
    // A terminal that is gone is no reason to fail.
    let _ = writeln!(std::io::stderr(), "chaos: {text}");
}
