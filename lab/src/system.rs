//! Orchestrators and participants as real processes on a virtual host and a database.

use std::{
    iter,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{Binary, Hosts, Member, Signal, Who, binary, member::READY_TIMEOUT, ports, url, wait};

/// Above the drain deadline of the binaries: one that ends in order is not killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Where a system finds its servers and its definitions, and how many of each there are.
#[derive(Clone, Debug)]
pub struct SystemSettings {
    /// The broker and its virtual host, for all.
    pub amqp_url: String,
    /// The orchestrator's database.
    pub database_url: String,
    /// The participants' databases; each may be the orchestrator's, as each program keeps to its
    /// own schema.
    pub participants: [(&'static str, String); 3],
    /// The folder of the definitions.
    pub definitions: PathBuf,
    /// The port of 127.0.0.1 that the API is to listen on; any free one otherwise. Of several
    /// orchestrators it is the first one's.
    pub port: Option<u16>,
    /// The folder of the logs.
    pub logs: PathBuf,
    /// How many orchestrators; at least one.
    pub orchestrators: usize,
    /// How many processes of each participant; at least one.
    pub replicas: usize,
    /// What plays the participants in the place of their own binaries: it is told which one as its
    /// last argument.
    pub stand_in: Option<Binary>,
    /// What single processes are told besides, or instead: the last value of a name counts. With
    /// `AMQP_URL` and `DATABASE_URL` one can be sent through a proxy.
    pub variables: Vec<(Who, String, String)>,
    /// The table of hosts of all of them, where it is not the machine's: see [`Self::find_by`].
    pub hosts: Option<Hosts>,
}

/// Orchestrators and participants. All are killed when it is dropped.
#[derive(Debug)]
pub struct System {
    /// Where the first orchestrator's API is, such as `http://127.0.0.1:12345`.
    pub url: String,
    /// What it was started with.
    pub settings: SystemSettings,
    /// `saga serve`, the first.
    pub orchestrator: Member,
    /// The participant `payment`, the first.
    pub payment: Member,
    /// The participant `inventory`, the first.
    pub inventory: Member,
    /// The participant `shipping`, the first.
    pub shipping: Member,
    /// The second and later of each.
    more: Vec<(Who, Member)>,
}

impl SystemSettings {
    /// One of each on one virtual host and one database, with the definitions that the product
    /// ships.
    #[must_use]
    pub fn new(amqp_url: &str, database_url: &str, logs: &Path) -> Self {
        Self {
            amqp_url: amqp_url.to_owned(),
            database_url: database_url.to_owned(),
            participants: ["payment", "inventory", "shipping"]
                .map(|name| (name, database_url.to_owned())),
            definitions: binary::workspace().join("saga-defs"),
            port: None,
            logs: logs.to_owned(),
            orchestrators: 1,
            replicas: 1,
            stand_in: None,
            variables: Vec::new(),
            hosts: None,
        }
    }

    /// Has everybody find broker and databases by a name of this table, at the same ports.
    pub fn find_by(&mut self, name: &str, hosts: &Hosts) {
        let participants = self.participants.iter_mut().map(|(_, url)| url);
        for url in participants.chain([&mut self.amqp_url, &mut self.database_url]) {
            let port = url::address(url).and_then(|address| address.rsplit(':').next());
            *url = url::with_address(url, &format!("{name}:{}", port.unwrap_or_default()));
        }
        self.hosts = Some(hosts.clone());
    }

    /// Everybody that there is to be.
    pub fn everybody(&self) -> impl Iterator<Item = Who> {
        let participants = self.participants.each_ref().map(|(name, _)| *name);
        let replicas = self.replicas.max(1);
        let replicas = move |name| (0..replicas).map(move |n| Who::Participant(name, n));
        let orchestrators = (0..self.orchestrators.max(1)).map(Who::Orchestrator);
        orchestrators.chain(participants.into_iter().flat_map(replicas))
    }

    fn start(&self, who: Who) -> Result<Member> {
        let program = match (&self.stand_in, who) {
            (Some(stand_in), Who::Participant(name, _)) => stand_in.clone().arg(name),
            _ => Binary::new(who.binary()),
        };
        let mut binary = program.env("AMQP_URL", &self.amqp_url).log_in(&self.logs);
        if let Some(hosts) = &self.hosts {
            binary = binary.with_hosts(hosts);
        }
        let own = |binary: Binary| {
            let own = self.variables.iter().filter(|(whose, ..)| *whose == who);
            own.fold(binary, |binary, (_, name, value)| binary.env(name, value))
        };
        match who {
            Who::Orchestrator(number) => {
                let given = self.port.filter(|_| number == 0);
                let port = given.map_or_else(ports::free_port, Ok)?;
                let binary = binary
                    .args(["serve", "--migrate"])
                    .env("DATABASE_URL", &self.database_url)
                    .env("SAGA_LISTEN", format!("127.0.0.1:{port}"))
                    .env("SAGA_DEFS", &self.definitions);
                Member::start_at(own(binary), port)
            }
            Who::Participant(name, _) => {
                let database = self.participants.iter().find(|(known, _)| *known == name);
                let (_, url) = database.with_context(|| format!("no participant `{name}`"))?;
                Member::start(own(binary.env("DATABASE_URL", url)))
            }
        }
    }
}

impl System {
    /// Starts everything and waits until every orchestrator is ready.
    ///
    /// # Errors
    /// When a binary is not built, ends at once, or is not ready in time; with the end of its log.
    pub async fn start(settings: SystemSettings) -> Result<Self> {
        let system = Self::launch(settings)?;
        system.ready().await?;
        Ok(system)
    }

    /// Starts everything and waits for nothing, as for servers that are away or processes that are
    /// to die while they start.
    ///
    /// # Errors
    /// When a binary is not built.
    pub fn launch(settings: SystemSettings) -> Result<Self> {
        let [payment, inventory, shipping] =
            settings.participants.each_ref().map(|(name, _)| Who::Participant(name, 0));
        let orchestrator = settings.start(Who::Orchestrator(0))?;
        let mut system = Self {
            url: orchestrator.url(),
            orchestrator,
            payment: settings.start(payment)?,
            inventory: settings.start(inventory)?,
            shipping: settings.start(shipping)?,
            more: Vec::new(),
            settings,
        };
        for who in system.settings.everybody() {
            if system.member(who).is_none() {
                system.more.push((who, system.settings.start(who)?));
            }
        }
        Ok(system)
    }

    /// Waits until every orchestrator answers `/readyz` with 200.
    ///
    /// # Errors
    /// When a process has ended, or the deadline passes.
    pub async fn ready(&self) -> Result<()> {
        let ready = wait::until("`saga serve` to be ready", READY_TIMEOUT, async || {
            if let Some(dead) = self.members().into_iter().find(|member| !member.is_alive()) {
                return Some(Err(dead));
            }
            for member in self.members() {
                if !member.is_ready().await {
                    return None;
                }
            }
            Some(Ok(()))
        });
        match ready.await.with_context(|| self.orchestrator.process().log_tail())? {
            Ok(()) => Ok(()),
            Err(dead) => {
                bail!("`{}` has ended; it said:\n{}", dead.name(), dead.process().log_tail())
            }
        }
    }

    /// All its processes, the orchestrators first.
    #[must_use]
    pub fn members(&self) -> Vec<&Member> {
        self.settings.everybody().filter_map(|who| self.member(who)).collect()
    }

    /// Everybody by name, the orchestrators first.
    #[must_use]
    pub fn everybody(&self) -> Vec<Who> {
        self.settings.everybody().collect()
    }

    /// One of its processes; nothing where there are not so many.
    #[must_use]
    pub fn member(&self, who: Who) -> Option<&Member> {
        match who {
            Who::Orchestrator(0) => Some(&self.orchestrator),
            Who::Participant("payment", 0) => Some(&self.payment),
            Who::Participant("inventory", 0) => Some(&self.inventory),
            Who::Participant("shipping", 0) => Some(&self.shipping),
            _ => self.more.iter().find(|(known, _)| *known == who).map(|(_, member)| member),
        }
    }

    /// The same, to start it again or otherwise.
    #[must_use]
    pub fn member_mut(&mut self, who: Who) -> Option<&mut Member> {
        match who {
            Who::Orchestrator(0) => Some(&mut self.orchestrator),
            Who::Participant("payment", 0) => Some(&mut self.payment),
            Who::Participant("inventory", 0) => Some(&mut self.inventory),
            Who::Participant("shipping", 0) => Some(&mut self.shipping),
            _ => self.more.iter_mut().find(|(known, _)| *known == who).map(|(_, member)| member),
        }
    }

    /// Where the API of each orchestrator is.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let numbers = iter::successors(Some(0), |number| Some(number + 1));
        let orchestrators = numbers.map_while(|number| self.member(Who::Orchestrator(number)));
        orchestrators.map(Member::url).collect()
    }

    /// Asks all to end in order, the orchestrators first, and waits for it.
    pub fn stop(&self) {
        for member in self.members() {
            member.process().end(Signal::Term, STOP_TIMEOUT);
        }
    }
}
