//! How a participant is put together.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use saga_protocol::{ParticipantName, Phase};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    External, Handler, Service, Settings,
    database::Use,
    handler::{Registered, Typed, Work},
    runtime,
    settings::CONCURRENCY,
};

/// The handlers of a participant, by phase and name.
pub(crate) type Handlers = BTreeMap<(Phase, &'static str), Registered>;

/// How long a handler may take that says nothing else. Inside a transaction also the most: a few
/// such attempts are well below RabbitMQ's half hour for an unacknowledged delivery.
pub(crate) const WITHIN: Duration = Duration::from_secs(60);
/// How long one may take that works outside: a crash of the participant goes unnoticed for as long.
const OUTSIDE_WITHIN_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A participant: its name, what it can do, and the tables it does it in.
#[derive(Clone)]
pub struct Participant {
    pub(crate) name: ParticipantName,
    pub(crate) handlers: Handlers,
    pub(crate) schema: Vec<&'static str>,
    /// The handler that was added last.
    last: Option<(Phase, &'static str)>,
}

impl Participant {
    /// A participant of this name, which is also that of its queue and, on Postgres, of its schema.
    ///
    /// # Panics
    /// When the name breaks the rules of [`ParticipantName`]: it is written in the program.
    #[must_use]
    pub fn new(name: &str) -> Self {
        match ParticipantName::new(name) {
            Ok(name) => Self { name, handlers: Handlers::new(), schema: Vec::new(), last: None },
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
        self.add(Phase::Action, name, Work::Inside(Arc::new(Typed::new(handler))))
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
        self.add(Phase::Compensation, name, Work::Inside(Arc::new(Typed::new(handler))))
    }

    /// Adds an action that works outside the participant's database, or that takes longer than the
    /// broker waits: an intent is committed first, the delivery is acknowledged, and the answer
    /// comes when the call has ended. After a crash it is called again, with the same
    /// [`Context::idempotency_key`](crate::Context::idempotency_key).
    #[must_use]
    pub fn external<F, I, O>(self, name: &'static str, handler: F) -> Self
    where
        F: for<'a> External<'a, I, O> + 'static,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        self.add(Phase::Action, name, Work::Outside(Arc::new(Typed::new(handler))))
    }

    /// Adds a compensation that works outside the participant's database. Its input is an
    /// [`Undo`](crate::Undo). It is also called where nobody knows whether its action took effect:
    /// see [`Context::action_key`](crate::Context::action_key).
    #[must_use]
    pub fn external_compensation<F, I, O>(self, name: &'static str, handler: F) -> Self
    where
        F: for<'a> External<'a, I, O> + 'static,
        I: DeserializeOwned + Send + 'static,
        O: Serialize + Send + 'static,
    {
        self.add(Phase::Compensation, name, Work::Outside(Arc::new(Typed::new(handler))))
    }

    /// How long a call of the handler that was added last may take; a minute where nobody says. One
    /// that takes longer is ended, and answered `failed`. For one that works outside, it is also
    /// how long a crash goes unnoticed: its lease is half a minute more.
    ///
    /// # Panics
    /// When no handler was added, or it is more than a minute inside a transaction or more than a
    /// day outside.
    #[must_use]
    pub fn within(mut self, within: Duration) -> Self {
        let last = self.last.and_then(|last| self.handlers.get_mut(&last));
        let registered = last.expect("`within` comes after the handler it is for");
        let max = match registered.work {
            Work::Inside(_) => WITHIN,
            Work::Outside(_) => OUTSIDE_WITHIN_MAX,
        };
        assert!(within <= max, "{within:?} is more than {max:?}, the most for this handler");
        registered.within = within;
        self
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
    /// hand, or by [`serve`](crate::serve). The URL is `postgres://…`, or `sqlite:path` for a file
    /// of its own, which is made where it is missing.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub async fn connect(self, database_url: &str) -> anyhow::Result<Service> {
        let wanted = Use { connections: CONCURRENCY, allow_unsafe: false };
        Service::connect(self, database_url, wanted).await
    }

    fn add(mut self, phase: Phase, name: &'static str, work: Work) -> Self {
        let before = self.handlers.insert((phase, name), Registered { work, within: WITHIN });
        assert!(before.is_none(), "two handlers for {phase} `{name}`");
        self.last = Some((phase, name));
        self
    }
}
