//! Chaos: a plan of faults carried out on real processes, real servers, and the roads between them,
//! while orders flow.

mod plan;
mod report;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use lab::{Broker, DatabaseServer, Direction, Member, Proxy, Shutdown, Who, wait};
use tokio::time::sleep;

pub use plan::{Deed, Fault, Place, Server, plan};
pub use report::{Ending, Report, Times, publish, section};

use crate::{Load, World};

/// From one fault to the next order's end, whatever must be redelivered meanwhile.
const PROGRESS_MAX: Duration = Duration::from_secs(120);
/// From a broker's return to that of all its consumers; the wait between two tries to connect is
/// below a second. This is for a machine that is busy with all processes starting anew.
const CONSUMERS_MAX: Duration = Duration::from_secs(60);
/// Faults under way at once: some of everybody remain.
const AT_ONCE_MAX: usize = 3;
/// Orders let in beyond those that the next fault waits for: times those in flight.
const AHEAD: usize = 2;
/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(10);

/// What is broken and brought back.
pub struct Stage<'a> {
    /// The processes, and their roads.
    pub world: &'a mut World,
    /// A broker that nobody else uses.
    pub broker: &'a mut Broker,
    /// A Postgres that nobody else uses.
    pub database: &'a mut DatabaseServer,
}

/// A fault that is over.
#[derive(Clone, Debug)]
pub struct Done {
    /// What it was.
    pub fault: Fault,
    /// When everything was in its place again; processes that were started may still be starting.
    pub over: Instant,
    /// From a server's answering until all its consumers were there, after an end of the broker.
    pub consumers: Option<Duration>,
}

/// A fault that is under way.
struct Open {
    fault: Fault,
    until: Instant,
}

impl Stage<'_> {
    /// Carries a plan out while a held load runs, and lets its orders in.
    ///
    /// # Errors
    /// When somebody ends by himself or cannot be started again, or the load does not get on.
    pub async fn play(&mut self, plan: Vec<Fault>, load: &Load) -> Result<Vec<Done>> {
        let consumers = self.world.queues.consumers().await?;
        // What was made last is not known yet to a broker that is killed now.
        self.broker.sync().await?;
        let all = plan.len();
        let began = Instant::now();
        let (mut open, mut done) = (Vec::<Open>::new(), Vec::new());
        let mut plan = plan.into_iter().peekable();
        let mut progress = (load.ended(), Instant::now());
        while plan.peek().is_some() || !open.is_empty() {
            let next = plan.peek().map_or(load.orders, |fault| fault.moment);
            load.admit((next + AHEAD * load.in_flight).min(load.orders));
            if progress.0 != load.ended() {
                progress = (load.ended(), Instant::now());
            }
            let stalled = progress.1.elapsed();
            ensure!(stalled < PROGRESS_MAX, "no order has ended for {stalled:?}");

            let is_due = |open: &Open| open.until <= Instant::now();
            if let Some(at) = open.iter().position(is_due) {
                let over = self.end(open.swap_remove(at), &mut open, &consumers).await?;
                for one in &over {
                    progress.1 = Instant::now();
                    done.push(one.clone());
                    say(&format!(
                        "fault {} of {all}: {}; {} of {} orders have ended; {} s",
                        done.len(),
                        one.fault,
                        load.ended(),
                        load.orders,
                        began.elapsed().as_secs(),
                    ));
                }
            } else if let Some(fault) = plan.next_if(|fault| {
                let is_free = open.iter().all(|open| open.fault.place != fault.place);
                load.ended() >= fault.moment && open.len() < AT_ONCE_MAX && is_free
            }) {
                self.begin(&fault).await?;
                open.push(Open { fault, until: Instant::now() + fault.lasts });
            } else {
                sleep(TICK).await;
            }
        }
        load.admit(load.orders);
        Ok(done)
    }

    async fn begin(&mut self, fault: &Fault) -> Result<()> {
        match (fault.place, fault.deed) {
            (Place::Process(who), Deed::Kill) => self.member(who)?.kill9(),
            (Place::Process(who), _) => self.member(who)?.stop()?,
            (Place::Server(Server::Broker), Deed::Kill) => self.broker.kill9(),
            (Place::Server(Server::Broker), Deed::Stop) => self.broker.stop()?,
            (Place::Server(Server::Broker), _) => self.broker.shut_down().await,
            (Place::Server(Server::Database), Deed::Kill) => self.database.kill9(),
            (Place::Server(Server::Database), Deed::Stop) => self.database.stop()?,
            (Place::Server(Server::Database), _) => {
                // What does not end in time is killed when it is to start again.
                self.database.shut_down(Shutdown::Fast).await.ok();
            }
            (Place::Road(who, server), deed) => {
                let road = self.road(who, server)?;
                match deed {
                    Deed::Slow(delay) => road.delay(delay),
                    Deed::BlackHole => road.black_hole(Direction::Both),
                    Deed::Cut | Deed::Kill | Deed::Stop | Deed::Restart => {
                        road.refuse()?;
                        road.cut()?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Ends a fault; with one of the broker all others before it, so that what is measured then is
    /// the broker's own.
    async fn end(
        &mut self,
        due: Open,
        open: &mut Vec<Open>,
        consumers: &[(String, usize)],
    ) -> Result<Vec<Done>> {
        let mut over = Vec::new();
        let is_broker = due.fault.place == Place::Server(Server::Broker);
        let is_gone = is_broker && due.fault.deed != Deed::Stop;
        if is_gone {
            for other in open.drain(..) {
                over.push(self.mend(other.fault).await?);
            }
        }
        let mut one = self.mend(due.fault).await?;
        if is_gone {
            let queues = &self.world.queues;
            let back = async || (queues.consumers().await.ok()? == consumers).then_some(());
            wait::until("all consumers to be back", CONSUMERS_MAX, back).await?;
            one.consumers = Some(one.over.elapsed());
        }
        over.push(one);
        Ok(over)
    }

    async fn mend(&mut self, fault: Fault) -> Result<Done> {
        match (fault.place, fault.deed) {
            (Place::Process(who), Deed::Stop) => self.member(who)?.cont()?,
            (Place::Process(who), _) => {
                let member = self.world.system.member_mut(who).context("it was started")?;
                member.restart()?;
            }
            (Place::Server(Server::Broker), Deed::Stop) => self.broker.cont()?,
            (Place::Server(Server::Broker), _) => self.broker.restart().await?,
            (Place::Server(Server::Database), Deed::Stop) => self.database.cont()?,
            (Place::Server(Server::Database), _) => self.database.restart().await?,
            (Place::Road(who, server), _) => self.road(who, server)?.heal()?,
        }
        Ok(Done { fault, over: Instant::now(), consumers: None })
    }

    /// A process that must be running: nobody ends by himself, whatever befalls the others.
    fn member(&self, who: Who) -> Result<&Member> {
        let member = self.world.system.member(who).context("it was started")?;
        let log = || member.process().log_tail();
        ensure!(member.is_alive(), "{who} has ended by itself; it said:\n{}", log());
        Ok(member)
    }

    fn road(&self, who: Who, server: Server) -> Result<&Proxy> {
        let roads = self.world.roads_of(who)?;
        Ok(match server {
            Server::Broker => &roads.broker,
            Server::Database => &roads.database,
        })
    }
}

/// Tells whoever watches how a long run goes; straight to stderr, so that it is seen meanwhile.
pub fn say(text: &str) {
    // A terminal that is gone is no reason to fail.
    let _ = writeln!(std::io::stderr(), "chaos: {text}");
}
