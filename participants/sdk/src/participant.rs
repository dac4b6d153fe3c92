//! How a participant is put together.

use std::{collections::BTreeMap, sync::Arc};

use saga_protocol::{ParticipantName, Phase};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    Handler, Service, Settings,
    database::Use,
    handler::{Dispatch, Typed},
    runtime,
    settings::CONCURRENCY,
};

/// The handlers of a participant, by phase and name.
pub(crate) type Handlers = BTreeMap<(Phase, &'static str), Arc<dyn Dispatch>>;

/// A participant: its name, what it can do, and the tables it does it in.
#[derive(Clone)]
pub struct Participant {
    pub(crate) name: ParticipantName,
    pub(crate) handlers: Handlers,
    pub(crate) schema: Vec<&'static str>,
}

impl Participant {
    /// A participant of this name, which is also that of its queue and of its schema.
    ///
    /// # Panics
    /// When the name breaks the rules of [`ParticipantName`]: it is written in the program.
    #[must_use]
    pub fn new(name: &str) -> Self {
        match ParticipantName::new(name) {
            Ok(name) => Self { name, handlers: Handlers::new(), schema: Vec::new() },
            Err(error) => panic!("{error}"),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ParticipantName {
        &self.name
    }

    /// Adds an action: what is called forward.
    #[must_use]
    pub fn action<F, I, O>(self, name: &'static str, handler: F) -> Self
    where
        F: for<'a> Handler<'a, I, O> + 'static,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        self.add(Phase::Action, name, Typed::new(handler))
    }

    /// Adds a compensation: what is called backward, only where its action took effect. Its input
    /// is an [`Undo`](crate::Undo).
    #[must_use]
    pub fn compensation<F, I, O>(self, name: &'static str, handler: F) -> Self
    where
        F: for<'a> Handler<'a, I, O> + 'static,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        self.add(Phase::Compensation, name, Typed::new(handler))
    }

    /// Adds SQL that makes its tables. The first call is version 1, each further one is the next
    /// version: what a database lacks is applied at start, what it has is never applied again and
    /// must not be edited.
    #[must_use]
    pub fn schema(mut self, sql: &'static str) -> Self {
        self.schema.push(sql);
        self
    }

    /// Runs it with the settings of the command line and the environment, until it is told to end.
    ///
    /// # Errors
    /// When it cannot start for a reason that waiting does not mend, such as a schema from a newer
    /// version.
    pub async fn run(self) -> anyhow::Result<()> {
        let settings = Settings::from_arguments();
        runtime::run(self, settings).await
    }

    /// Connects it to a database and makes its tables, without a bus: commands are given to it by
    /// hand.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn connect(self, database_url: &str) -> anyhow::Result<Service> {
        let wanted = Use { connections: CONCURRENCY, allow_unsafe: false };
        Service::connect(self, database_url, wanted).await
    }

    fn add(mut self, phase: Phase, name: &'static str, handler: impl Dispatch + 'static) -> Self {
        let before = self.handlers.insert((phase, name), Arc::new(handler));
        assert!(before.is_none(), "two handlers for {phase} `{name}`");
        self
    }
}
