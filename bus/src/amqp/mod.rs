//! RabbitMQ, spoken to in AMQP 0-9-1.
//!
//! Two connections, each kept by a link (`link.rs`) that begins again for ever. Publishers and
//! subscriptions are tasks that outlive connections: each takes the current one, and has it dropped
//! when it is of no use to them.

mod codec;
mod complaints;
mod consumer;
mod declare;
mod ledger;
mod legible;
mod limits;
mod link;
mod publisher;
mod status;
mod stream;
mod trouble;
mod uri;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use lapin::{Connection, types::ShortString};
use saga_protocol::ParticipantName;
use tokio::{
    sync::{Mutex as AsyncMutex, Notify, Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

pub use self::uri::InvalidUrl;
use self::{
    complaints::Complaints,
    limits::{CLOSE_MAX, DEPTHS_AT_ONCE, JOBS_QUEUED, PUBLISH_MAX, PUBLISHERS, STEP_MAX, WINDOW},
    link::{Link, Lives},
    publisher::{Answer, Job},
    status::{Purpose, Status},
    trouble::Trouble,
    uri::Address,
};
use crate::{Bus, Consumer, Health, Publication, Role, Unpublished};

/// What a bus is made with.
#[derive(Clone)]
pub struct Options {
    /// `amqp://user:password@host:port/vhost`, or `amqps://…`.
    pub url: String,
    /// Who we are: decides what is declared.
    pub role: Role,
    /// What the broker shows as the connections' name.
    pub name: String,
}

/// A bus that is a RabbitMQ broker. Works on by itself from [`Amqp::start`] to [`Bus::close`], or
/// until dropped.
pub struct Amqp {
    shared: Arc<Shared>,
    consuming: Lives,
    phase: watch::Sender<Phase>,
    /// Empty once closed.
    publishers: Mutex<Vec<mpsc::Sender<Job>>>,
    next_publisher: AtomicUsize,
    /// Publishers and subscriptions: what must end before the connections do.
    users: Mutex<JoinSet<()>>,
    links: Mutex<JoinSet<()>>,
    depths: Semaphore,
}

/// What all tasks of a bus know.
struct Shared {
    address: Address,
    name: String,
    role: Role,
    status: Status,
    /// The participants whose command queues are declared after each reconnect.
    participants: Mutex<BTreeSet<ParticipantName>>,
    created: Mutex<BTreeSet<ParticipantName>>,
    complaints: Complaints,
    /// Told when something that we declared is gone.
    lost: Notify,
    /// Taken by whoever declares, so that only one finds a queue missing, and has noted it when the
    /// next finds it there.
    declaring: AsyncMutex<()>,
    /// Taken by whoever begins to consume.
    starting: AsyncMutex<()>,
    /// Numbers subscriptions.
    subscriptions: AtomicU64,
}

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// Users finish what they have begun.
    Closing,
    /// Connections end.
    Disconnecting,
}

impl Amqp {
    /// Starts a bus. The broker need not be there: see [`Bus::health`]. Takes a Tokio runtime to be
    /// running.
    ///
    /// # Errors
    /// When the URL is not one.
    pub fn start(options: Options) -> Result<Self, InvalidUrl> {
        // TLS takes one provider for the process. Whoever comes first wins; all our binaries want
        // the same.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let shared = Arc::new(Shared {
            address: Address::parse(&options.url)?,
            name: options.name,
            role: options.role,
            status: Status::new(),
            participants: Mutex::default(),
            created: Mutex::default(),
            complaints: Complaints::default(),
            lost: Notify::new(),
            declaring: AsyncMutex::default(),
            starting: AsyncMutex::default(),
            subscriptions: AtomicU64::new(0),
        });
        let phase = watch::Sender::new(Phase::Running);
        let mut links = JoinSet::new();
        let mut start_link = |purpose| {
            let (sender, lives) = watch::channel(None);
            let link = Link { purpose, shared: Arc::clone(&shared), lives: sender };
            links.spawn(link.run(phase.subscribe()));
            lives
        };
        let consuming = start_link(Purpose::Consuming);
        let publishing = start_link(Purpose::Publishing);
        let mut users = JoinSet::new();
        let mut publishers = Vec::new();
        for _ in 0..PUBLISHERS {
            let (sender, jobs) = mpsc::channel(JOBS_QUEUED);
            users.spawn(publisher::run(jobs, publishing.clone(), Arc::clone(&shared)));
            publishers.push(sender);
        }
        Ok(Self {
            shared,
            consuming,
            phase,
            publishers: Mutex::new(publishers),
            next_publisher: AtomicUsize::new(0),
            users: Mutex::new(users),
            links: Mutex::new(links),
            depths: Semaphore::new(DEPTHS_AT_ONCE),
        })
    }

    /// Takes turns. `None` once closed.
    fn publisher(&self) -> Option<mpsc::Sender<Job>> {
        let publishers = lock(&self.publishers);
        let turn = self.next_publisher.fetch_add(1, Ordering::Relaxed);
        let publisher = publishers.get(turn.checked_rem(publishers.len())?)?;
        Some(publisher.clone())
    }

    async fn hand_over(&self, batch: Vec<Publication>, deadline: Instant) -> Vec<Answer> {
        let count = batch.len();
        let all = |error: Unpublished| vec![Err(error); count];
        let Some(publisher) = self.publisher() else {
            return all(Unpublished::Down("closed".to_owned()));
        };
        let (answer, answered) = oneshot::channel();
        let sent = timeout_at(deadline, publisher.send(Job { batch, deadline, answer })).await;
        // Held any longer, it would keep the publisher from ending.
        drop(publisher);
        if !matches!(sent, Ok(Ok(()))) {
            return all(Unpublished::Down("too many are waiting to be published".to_owned()));
        }
        match timeout_at(deadline, answered).await {
            Ok(Ok(answers)) => answers,
            Ok(Err(_)) | Err(_) => all(Unpublished::Unconfirmed),
        }
    }
}

#[async_trait]
impl Bus for Amqp {
    async fn publish(&self, batch: Vec<Publication>) -> Vec<Result<(), Unpublished>> {
        if let Some(reason) = self.shared.status.refusal() {
            return batch.iter().map(|_| Err(Unpublished::Down(reason.clone()))).collect();
        }
        let deadline = Instant::now() + PUBLISH_MAX;
        let mut rest = batch.into_iter();
        let mut windows = Vec::new();
        loop {
            let window: Vec<_> = rest.by_ref().take(WINDOW).collect();
            if window.is_empty() {
                break;
            }
            windows.push(self.hand_over(window, deadline));
        }
        futures_util::future::join_all(windows).await.into_iter().flatten().collect()
    }

    async fn consume(&self, queue: &str, prefetch: u16) -> Box<dyn Consumer> {
        let (subscription, subscriber) =
            consumer::subscribe(queue, prefetch, &self.shared, self.phase.subscribe());
        let mut users = lock(&self.users);
        // Those that have ended would be kept otherwise.
        while users.try_join_next().is_some() {}
        users.spawn(subscription.run(self.consuming.clone()));
        Box::new(subscriber)
    }

    fn health(&self) -> watch::Receiver<Health> {
        self.shared.status.watch()
    }

    async fn depth(&self, queue: &str) -> Option<u64> {
        let look = async {
            let _permit = self.depths.acquire().await.ok()?;
            let live = self.consuming.borrow().clone()?;
            match declare::depth(&live.connection, queue).await {
                Ok(depth) => depth,
                Err(trouble) => {
                    tracing::debug!(bus.queue = queue, error = %trouble, "no depth");
                    None
                }
            }
        };
        timeout(STEP_MAX, look).await.ok().flatten()
    }

    async fn declare(&self, participants: &[ParticipantName]) {
        let wanted: BTreeSet<_> = participants.iter().cloned().collect();
        lock(&self.shared.participants).extend(wanted.iter().cloned());
        // A connection that begins later declares them itself.
        let Some(live) = self.consuming.borrow().clone() else { return };
        if let Err(trouble) = self.shared.declare_queues(&live.connection, &wanted).await {
            live.give_up(self.shared.explain(&trouble));
        }
    }

    fn take_created(&self) -> Vec<ParticipantName> {
        std::mem::take(&mut *lock(&self.shared.created)).into_iter().collect()
    }

    async fn close(&self) {
        let deadline = Instant::now() + CLOSE_MAX;
        self.phase.send_if_modified(|phase| raise(phase, Phase::Closing));
        lock(&self.publishers).clear();
        let mut users = std::mem::take(&mut *lock(&self.users));
        if timeout_at(deadline, async { while users.join_next().await.is_some() {} }).await.is_err()
        {
            tracing::warn!("publishes or acknowledgements did not settle before the end");
        }
        users.shutdown().await;
        self.phase.send_if_modified(|phase| raise(phase, Phase::Disconnecting));
        let mut links = std::mem::take(&mut *lock(&self.links));
        // Each says goodbye within its own deadline.
        while links.join_next().await.is_some() {}
    }
}

impl Shared {
    /// The participants to declare on a new connection.
    fn wanted(&self) -> BTreeSet<ParticipantName> {
        lock(&self.participants).clone()
    }

    /// Declares what our role and these participants need.
    async fn declare(
        &self,
        connection: &Connection,
        participants: &BTreeSet<ParticipantName>,
    ) -> Result<(), Trouble> {
        let _turn = self.declaring.lock().await;
        self.note_created(declare::declare(connection, &self.role, participants).await?);
        Ok(())
    }

    /// Declares the command queues of these participants.
    async fn declare_queues(
        &self,
        connection: &Connection,
        participants: &BTreeSet<ParticipantName>,
    ) -> Result<(), Trouble> {
        let _turn = self.declaring.lock().await;
        self.note_created(declare::command_queues(connection, participants).await?);
        Ok(())
    }

    /// What happened, with the way out.
    fn explain(&self, trouble: &Trouble) -> String {
        trouble.explain(&self.address, &self.role)
    }

    fn note_created(&self, created: Vec<ParticipantName>) {
        if !created.is_empty() {
            let names = created.iter().map(ParticipantName::as_str).collect::<Vec<_>>().join(", ");
            tracing::info!(bus.participants = names, "created command queues");
            lock(&self.created).extend(created);
        }
    }
}

fn raise(phase: &mut Phase, to: Phase) -> bool {
    let later = *phase < to;
    if later {
        *phase = to;
    }
    later
}

/// Waits for a phase. A bus that is dropped without closing is as good as closed.
async fn until(phase: &mut watch::Receiver<Phase>, wanted: Phase) {
    let _ = phase.wait_for(|phase| *phase >= wanted).await;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics with a lock held; if it did, the data would still be whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A short string of AMQP, which is at most 255 bytes long.
fn short(what: &str, text: &str) -> Result<ShortString, Trouble> {
    ShortString::try_new(text).map_err(|e| Trouble::Seen(format!("{what}: {e}")))
}
