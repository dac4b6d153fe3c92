//! How a world is built: how many of each, on which servers, and through what.

use anyhow::{Context, Result};
use lab::{Broker, DatabaseServer, Hosts, Lab, Proxy, System, SystemSettings, Who};
use sqlx::postgres::PgPoolOptions;

use crate::{
    World, definitions,
    world::{DB_CONNECTIONS, REQUEST_TIMEOUT},
};

/// The variable that tells a process, in a debug build, where to fail: `point:action:nth`.
pub const FAIL: &str = "SAGA_FAIL";

/// A world to be.
#[derive(Clone, Debug)]
#[must_use = "nothing runs before `start`"]
pub struct Builder {
    orchestrators: usize,
    replicas: usize,
    through_proxies: bool,
    lab: Option<Lab>,
    found_by: Option<(String, Hosts)>,
    variables: Vec<(Who, String, String)>,
}

/// The ways of one process to its servers, to break them.
#[derive(Debug)]
pub struct Roads {
    /// Whose they are.
    pub who: Who,
    /// To the broker.
    pub broker: Proxy,
    /// To the database.
    pub database: Proxy,
}

impl Builder {
    pub(crate) fn new() -> Self {
        Self {
            orchestrators: 1,
            replicas: 1,
            through_proxies: false,
            lab: None,
            found_by: None,
            variables: Vec::new(),
        }
    }

    /// So many orchestrators, on the same broker and database.
    pub fn orchestrators(mut self, count: usize) -> Self {
        self.orchestrators = count;
        self
    }

    /// So many processes of each participant.
    pub fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// Every process reaches broker and database through proxies of its own: see [`World::roads`].
    pub fn through_proxies(mut self) -> Self {
        self.through_proxies = true;
        self
    }

    /// On this broker instead of the one that all tests share, to break it.
    ///
    /// # Errors
    /// When there is no lab.
    pub fn on_broker(mut self, broker: &Broker) -> Result<Self> {
        self.lab = Some(self.lab()?.with_broker(broker));
        Ok(self)
    }

    /// On this Postgres instead of the one that all tests share, to break it.
    ///
    /// # Errors
    /// When there is no lab.
    pub fn on_database(mut self, server: &DatabaseServer) -> Result<Self> {
        self.lab = Some(self.lab()?.with_database(server));
        Ok(self)
    }

    /// Everybody finds the servers by this name of a table of hosts.
    pub fn found_by(mut self, name: &str, hosts: Hosts) -> Self {
        self.found_by = Some((name.to_owned(), hosts));
        self
    }

    /// One process is told something more.
    pub fn env(mut self, who: Who, name: &str, value: &str) -> Self {
        self.variables.push((who, name.to_owned(), value.to_owned()));
        self
    }

    /// One process fails somewhere: `point:action:nth`. When it is restarted it does so again,
    /// unless [`lab::Member::set_env`] takes it back.
    pub fn fail(self, who: Who, what: &str) -> Self {
        self.env(who, FAIL, what)
    }

    /// Starts everything and waits until every orchestrator is ready.
    ///
    /// # Errors
    /// When there is no lab, or something does not start.
    pub async fn start(self) -> Result<World> {
        let world = self.launch().await?;
        world.system.ready().await?;
        Ok(world)
    }

    /// Starts everything and waits for nothing, as for processes that are to die while they start.
    ///
    /// # Errors
    /// When there is no lab, or something cannot be started.
    pub async fn launch(self) -> Result<World> {
        let lab = self.lab()?;
        let (vhost, database) = (lab.vhost().await?, lab.database().await?);
        let mut settings = SystemSettings::new(&vhost.url, &database.url, &lab.logs());
        settings.definitions = definitions(&lab.logs().join(format!("defs-{}", database.name)))?;
        settings.orchestrators = self.orchestrators;
        settings.replicas = self.replicas;
        if let Some((name, hosts)) = &self.found_by {
            settings.find_by(name, hosts);
        }
        let mut roads = Vec::new();
        if self.through_proxies {
            for who in settings.everybody() {
                let (broker, database) =
                    (Proxy::before(&vhost.url)?, Proxy::before(&database.url)?);
                roads.push(Roads { who, broker, database });
            }
            settings.variables =
                roads.iter().flat_map(|roads| roads.variables(&settings)).collect();
        }
        settings.variables.extend(self.variables);
        let system = System::launch(settings)?;
        let db = PgPoolOptions::new().max_connections(DB_CONNECTIONS);
        let db = db.connect(&database.url).await.context("cannot look into the database")?;
        let http = reqwest::Client::builder().timeout(REQUEST_TIMEOUT).build()?;
        Ok(World { system, db, http, roads, queues: lab.queues(&vhost.name) })
    }

    fn lab(&self) -> Result<Lab> {
        self.lab.clone().map_or_else(Lab::from_env, Ok)
    }
}

impl Roads {
    /// What sends a process this way.
    fn variables(&self, settings: &SystemSettings) -> [(Who, String, String); 2] {
        // The participants have the orchestrator's database in these worlds.
        let urls = [
            ("AMQP_URL", self.broker.url(&settings.amqp_url)),
            ("DATABASE_URL", self.database.url(&settings.database_url)),
        ];
        urls.map(|(name, url)| (self.who, name.to_owned(), url))
    }

    /// Both, to break them alike.
    #[must_use]
    pub fn both(&self) -> [&Proxy; 2] {
        [&self.broker, &self.database]
    }
}
